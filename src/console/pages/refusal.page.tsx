import type { JSX } from 'preact';
import type { RefusalDto } from '../../admin/refusal.dto.js';
import { GUARDS, type Verdict } from '../../audit/refusal.js';
import { Counted } from '../components/counted-refusals.js';
import { DataTable } from '../components/data-table.js';
import { causeName, explainRefusal, GUARD_NAMES, verdictLabel } from '../text/refusal-help.js';
import { AddressLink, JobLink } from '../components/refusal-links.js';
import { Outcome } from './refusals.page.js';
import type { Session } from '../session/sessions.service.js';
import {
  Code,
  count,
  CsrfField,
  Facts,
  Untrusted,
  HiddenFields,
  Moment,
  None,
  Tag,
  type Tone,
} from '../components/widgets.js';

interface RefusalProperties {
  readonly session: Session;
  readonly refusal: RefusalDto;
}

/** One refusal: why, what to do, what every guard found, and what came. */
export function Refusal({ session, refusal }: RefusalProperties): JSX.Element {
  const explanation = explainRefusal(refusal);
  return (
    <>
      <p class="back">
        <a href="/admin/refusals">« Refused callbacks</a>
      </p>
      <div class="headline">
        <h1>{sentence(causeName(refusal.cause))}</h1>
        <Outcome refusal={refusal} />
      </div>
      <p class="muted">
        Entry {refusal.id}, <Moment at={refusal.at} />
      </p>
      {explanation === undefined ? null : (
        <section class="explanation" aria-labelledby="why">
          <h2 id="why">Why, and what to do</h2>
          <p class="why">
            <Untrusted text={explanation.why} />
          </p>
          <ul>
            {explanation.advice.map((step) => (
              <li key={step}>
                <Untrusted text={step} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {refusal.kind === 'counted' ? (
        <Counted refusal={refusal} />
      ) : (
        <Kept session={session} refusal={refusal} />
      )}
    </>
  );
}

function Kept({ session, refusal }: RefusalProperties): JSX.Element {
  return (
    <>
      <h2>What the guards found</h2>
      <ol class="verdicts">
        {GUARDS.map((guard) => {
          const verdict = refusal.verdicts?.[guard] ?? ({ result: 'not_checked' } as const);
          const [tone, word] = LOOKS[verdict.result];
          return (
            <li key={guard} class={tone}>
              <h3>{GUARD_NAMES[guard].name}</h3>
              <Tag tone={tone}>{word}</Tag>
              <p class="question">{GUARD_NAMES[guard].question}</p>
              <p>
                <Untrusted text={verdictLabel(verdict)} />
              </p>
            </li>
          );
        })}
      </ol>
      <h2>Its job</h2>
      <Facts
        facts={[
          ['Job of ours', <JobLink id={refusal.jobId} />],
          ['Job ID in the callback', <Code text={refusal.assertedJobId} />],
          ['Upstream ID in the callback', <Code text={refusal.assertedUpstreamId} />],
        ]}
      />
      <Repair session={session} refusal={refusal} />
      <h2>What came</h2>
      <Facts
        facts={[
          ['Client address', <AddressLink address={refusal.clientAddress} />],
          ['Peer address', <Code text={refusal.peerAddress} />],
          ['X-Forwarded-For', <Code text={refusal.forwardedFor} />],
          ['Request', <Code text={`${refusal.method ?? ''} ${refusal.path ?? ''}`.trim()} />],
          ['Answered', refusal.status === undefined ? <None /> : String(refusal.status)],
          ['Request ID', <Code text={refusal.requestId} />],
          ['Body', bodyWords(refusal)],
          ['SHA-256 of the body', <Code text={refusal.bodySha256} />],
        ]}
      />
      <h3>Headers</h3>
      <DataTable
        caption="Headers, without secrets"
        small
        columns={[
          { head: 'Header', main: true, cell: ([name]) => <Code text={name} /> },
          { head: 'Value', cell: ([, value]) => <Code text={value} /> },
        ]}
        rows={Object.entries(refusal.headers ?? {})}
        keyOf={([name]) => name}
        empty={<p>It had none.</p>}
      />
      <h3>Beginning of the body, without secrets</h3>
      {refusal.bodySample === undefined || refusal.bodySample === '' ? (
        <p class="muted">It was empty.</p>
      ) : (
        <pre class="sample" tabIndex={0}>
          <bdi>{indented(refusal.bodySample)}</bdi>
        </pre>
      )}
    </>
  );
}

const LOOKS: Readonly<Record<Verdict['result'], readonly [Tone, string]>> = {
  pass: ['good', 'pass'],
  fail: ['bad', 'refused'],
  observed: ['warn', 'observed'],
  not_checked: ['idle', 'not asked'],
};

function Repair({ session, refusal }: RefusalProperties): JSX.Element {
  const job = refusal.jobId ?? refusal.assertedJobId ?? refusal.assertedUpstreamId ?? undefined;
  const all = { cause: refusal.cause, outcome: 'refused' };
  return (
    <section class="actions" aria-label="Re-check">
      <form method="post" action="/admin/refusals/recheck">
        <CsrfField session={session} />
        <HiddenFields values={all} />
        <button type="submit">Re-check all with this cause</button>
      </form>
      {job === undefined ? null : (
        <form method="post" action="/admin/refusals/recheck">
          <CsrfField session={session} />
          <HiddenFields values={{ job, outcome: 'refused' }} />
          <button type="submit" class="quiet">
            Re-check those of this job
          </button>
        </form>
      )}
      <p class="muted">
        {refusal.recheckable === true
          ? 'Judges them by the settings of today. It changes nothing until you accept.'
          : 'This one is not kept for a re-check (any more); others with this cause may be.'}
      </p>
    </section>
  );
}

function bodyWords({ bodyBytes, bodyComplete }: RefusalDto): string {
  const size = `${count(bodyBytes ?? 0)} bytes`;
  return bodyComplete === false ? `${size} read: only the beginning` : size;
}

/** The sample is on one line as it is stored. Where it is JSON and whole, it reads better on several. */
function indented(sample: string): string {
  try {
    return JSON.stringify(JSON.parse(sample), null, 2);
  } catch {
    return sample;
  }
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
