/* Optional: every page works without scripts. */
'use strict';

const LIVE_MILLISECONDS = 5000;
const number = new Intl.NumberFormat('en-US');
const shown = (value) => number.format(value).replaceAll(',', '\u202f');

/** Refreshes the counts of a list while the page is visible. */
function keepCounting(section) {
  const state = section.querySelector('[data-live-state]');
  const before = Number(section.dataset.liveTotal);

  async function refresh() {
    const started = performance.now();
    if (!document.hidden) {
      try {
        const answer = await fetch(section.dataset.live, { redirect: 'error' });
        if (!answer.ok) throw new Error(String(answer.status));
        show(await answer.json());
      } catch {
        say('The counts are out of date: the gateway did not answer. Reload the page.');
      }
    }
    // Backs off where the gateway answers slowly.
    const took = performance.now() - started;
    setTimeout(() => void refresh(), Math.max(LIVE_MILLISECONDS, took * 10));
  }

  function show(summary) {
    for (const element of section.querySelectorAll('[data-count]')) {
      element.textContent = shown(summary[element.dataset.count]);
    }
    showCauses(summary);
    const total = summary.stored + summary.counted + summary.observed;
    const more = total - before;
    say(more > 0 ? `${shown(more)} more since this list was made. Reload to see them.` : '');
  }

  function showCauses({ byCause, names }) {
    const list = section.querySelector('[data-causes]');
    for (const [cause, count] of Object.entries(byCause)) {
      const known = [...list.querySelectorAll('[data-cause]')].find(
        (element) => element.dataset.cause === cause,
      );
      if (known !== undefined) {
        known.textContent = shown(count);
        continue;
      }
      const link = document.createElement('a');
      const target = new URL(location.href);
      for (const name of ['cursor', 'skip']) target.searchParams.delete(name);
      target.searchParams.set('cause', cause);
      link.href = target.href;
      link.textContent = names[cause] ?? cause;
      const shownCount = document.createElement('b');
      shownCount.dataset.cause = cause;
      shownCount.textContent = shown(count);
      const item = document.createElement('li');
      item.append(link, ' ', shownCount);
      list.append(item);
    }
  }

  function say(text) {
    if (state.textContent !== text) state.textContent = text;
    state.hidden = text === '';
  }

  void refresh();
}

/** Leaves empty fields out of the address. */
function withoutEmptyFields(form) {
  form.addEventListener('formdata', ({ formData }) => {
    for (const [name, value] of Array.from(formData)) if (value === '') formData.delete(name);
  });
}

/** A button that copies an id or a key. */
function addCopyButton(element) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet copy';
  button.textContent = 'Copy';
  const text = element.textContent;
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(element.firstElementChild ?? element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // On plain HTTP browsers have no clipboard API.
      select();
      return document.execCommand('copy');
    }
  };
  const showCopied = async () => {
    button.textContent = (await copy()) ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 2000);
  };
  button.addEventListener('click', () => {
    void showCopied();
  });
  element.after(button);
}

for (const element of document.querySelectorAll('[data-copy]')) addCopyButton(element);
for (const section of document.querySelectorAll('[data-live]')) keepCounting(section);
for (const form of document.querySelectorAll('form.filter[method="get"]')) withoutEmptyFields(form);
