/* The charts of the overview. Their data are in the page, their colors in the style. */
'use strict';

const data = document.getElementById('chart-data');
const dark = matchMedia('(prefers-color-scheme: dark)');

function labelOf(slot) {
  const long = JSON.parse(data.textContent).slotSeconds > 3600;
  return long ? `${slot.slice(5, 10)} ${slot.slice(11, 16)}` : slot.slice(11, 16);
}

/**
 * A flood in a few slots would make everything else invisible. Then its bars are cut off, and the words
 * above the chart say so.
 */
function cutOf(sums) {
  const bars = sums.filter((sum) => sum > 0).toSorted((one, other) => other - one);
  const usual = bars[Math.ceil(bars.length * 0.1)];
  const words = document.querySelector('[data-cut]');
  const isCut = usual !== undefined && bars[0] > usual * 20;
  words.hidden = !isCut;
  words.textContent = isCut
    ? `· bars that reach the top are cut off, the highest is ${spaced(bars[0])}`
    : '';
  return isCut ? roundedUp(usual * 2.5) : undefined;
}

const spaced = (number) => number.toLocaleString('en-US').replaceAll(',', '\u202f');

/** To 1, 2 or 5 with zeros, as the numbers beside a chart are. */
function roundedUp(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return power * [1, 2, 5, 10].find((step) => step * power >= number);
}

function draw() {
  const { slots, accepted, refused } = JSON.parse(data.textContent);
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const labels = slots.map(labelOf);
  const cut = cutOf(slots.map((_, n) => refused.reduce((sum, { counts }) => sum + counts[n], 0)));
  Chart.defaults.color = color('muted');
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const options = (maxTicksLimit, max) => ({
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: 'index', intersect: false },
    plugins: {
      // The table beside the charts has the colours.
      legend: { display: false },
      tooltip: { filter: ({ raw }) => raw > 0 },
    },
    scales: {
      x: {
        stacked: true,
        grid: { display: false },
        border: { color: color('line') },
        ticks: { autoSkip: true, autoSkipPadding: 24, maxRotation: 0 },
      },
      y: {
        stacked: true,
        beginAtZero: true,
        max,
        grid: { color: color('line') },
        border: { display: false },
        ticks: { precision: 0, maxTicksLimit, format: { notation: 'compact' } },
        // The same room for the numbers of both charts, so that their times stand below each other.
        afterFit: (axis) => {
          axis.width = 46;
        },
      },
    },
  });
  const series = (label, values, name) => ({
    label,
    data: values,
    backgroundColor: color(name),
    categoryPercentage: 1,
    barPercentage: 0.86,
  });
  return [
    new Chart(document.querySelector('[data-accepted]'), {
      type: 'bar',
      data: { labels, datasets: [series('accepted', accepted, 'accepted')] },
      options: options(4),
    }),
    new Chart(document.querySelector('[data-refused]'), {
      type: 'bar',
      data: {
        labels,
        datasets: refused.map(({ name, color, counts }) => series(name, counts, color)),
      },
      options: options(6, cut),
    }),
  ];
}

if (data !== null) {
  let charts = draw();
  dark.addEventListener('change', () => {
    for (const chart of charts) chart.destroy();
    charts = draw();
  });
}
