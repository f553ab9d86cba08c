import type { JSX } from 'preact';
import type { RefusalDto } from '../../admin/refusal.dto.js';
import { GUARDS, type Verdict } from '../../audit/refusal.js';
import { Counted } from '../components/counted-refusals.js';
import { DataTable } from '../components/data-table.js';
import { causeName, explainRefusal, GUARD_NAMES, verdictLabel } from '../text/refusal-help.js';
import { link } from '../components/page.js';
import { AddressLink, JobLink } from '../components/refusal-links.js';
import { Outcome } from './refusals.page.js';
import type { Comparison } from '../refusal-comparison.js';
import { count } from '../components/format.js';
import {
  Code,
  Copyable,
  Facts,
  Untrusted,
  HiddenFields,
  Moment,
  None,
  Tag,
  type Tone,
} from '../components/widgets.js';

interface RefusalProperties {
  readonly refusal: RefusalDto;
  readonly comparisons: readonly Comparison[];
}

/** One refusal: why, what to do, the verdict of every guard, and the request. */
export function Refusal({ refusal, comparisons }: RefusalProperties): JSX.Element {
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
        Refusal <Copyable text={refusal.id} />, <Moment at={refusal.at} precise />
        {refusal.kind === 'counted' ? null : (
          <>
            {' · '}
            <a href={link('/admin/refusals', { repeatsOf: refusal.id })}>Show its repeats</a>
          </>
        )}
      </p>
      {explanation === undefined ? null : (
        <section class="explanation" aria-labelledby="why">
          <h2 id="why">Why, and what to do</h2>
          <p class="why">
            {explanation.why} {explanation.likely}
          </p>
          <ul>
            {explanation.remedies.map((remedy) => (
              <li key={remedy}>{remedy}</li>
            ))}
          </ul>
        </section>
      )}
      {refusal.kind === 'counted' ? (
        <Counted refusal={refusal} />
      ) : (
        <Stored refusal={refusal} comparisons={comparisons} />
      )}
    </>
  );
}

function Stored({ refusal, comparisons }: RefusalProperties): JSX.Element {
  return (
    <>
      {comparisons.length === 0 ? null : (
        <>
          <h2>Expected and received</h2>
          <DataTable<Comparison>
            caption="What the gateway expected, and what the callback held"
            columns={[
              { head: 'Check', main: true, cell: ({ what }) => what },
              {
                head: 'Expected',
                wide: true,
                cell: ({ expected }) => <Untrusted text={expected} />,
              },
              { head: 'Received', wide: true, cell: (row) => <Received {...row} /> },
            ]}
            rows={comparisons}
            keyOf={({ what }) => what}
            empty={null}
          />
          <p class="muted">“Expected” reflects the current settings of this process.</p>
        </>
      )}
      <h2>Verdicts of the guards</h2>
      <ol class="verdicts">
        {GUARDS.map((guard) => {
          const verdict = refusal.verdicts?.[guard] ?? ({ result: 'not_checked' } as const);
          const [tone, word] = RESULT_TAGS[verdict.result];
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
      <h2>Job</h2>
      <Facts
        facts={[
          ['Job of this gateway', <JobLink id={refusal.jobId} />],
          ['Job ID in the callback', <Copyable text={refusal.assertedJobId} />],
          ['Upstream ID in the callback', <Copyable text={refusal.assertedUpstreamId} />],
        ]}
      />
      <Repair refusal={refusal} />
      <h2>Request</h2>
      <Facts
        facts={[
          [
            'Client address',
            <span data-copy>
              <AddressLink address={refusal.clientAddress} />
            </span>,
          ],
          ['Peer address', <Copyable text={refusal.peerAddress} />],
          ['X-Forwarded-For', <Code text={refusal.forwardedFor} />],
          [
            'Method and path',
            <Code text={`${refusal.method ?? ''} ${refusal.path ?? ''}`.trim()} />,
          ],
          ['Answered', refusal.status === undefined ? <None /> : String(refusal.status)],
          ['Request ID', <Copyable text={refusal.requestId} />],
          ['Body', bodySize(refusal)],
          ['SHA-256 of the body', <Copyable text={refusal.bodySha256} />],
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
        empty={<p>The request had no headers.</p>}
      />
      <h3>Beginning of the body, without secrets</h3>
      {refusal.bodySample === undefined || refusal.bodySample === '' ? (
        <p class="muted">The body is empty.</p>
      ) : (
        <pre class="sample" tabIndex={0}>
          <bdi>{indented(refusal.bodySample)}</bdi>
        </pre>
      )}
    </>
  );
}

const RESULT_TAGS: Readonly<Record<Verdict['result'], readonly [Tone, string]>> = {
  pass: ['good', 'pass'],
  fail: ['bad', 'refused'],
  observed: ['warn', 'observed'],
  not_checked: ['idle', 'not checked'],
};

function Received({ received, receivedJobId }: Comparison): JSX.Element {
  return (
    <>
      <Untrusted text={received} />
      {receivedJobId === undefined ? null : (
        <>
          , the upstream ID of <JobLink id={receivedJobId} />
        </>
      )}
    </>
  );
}

function Repair({ refusal }: { refusal: RefusalDto }): JSX.Element {
  const job = refusal.jobId ?? refusal.assertedJobId ?? refusal.assertedUpstreamId ?? undefined;
  return (
    <section class="actions" aria-label="Re-check">
      <form method="get" action="/admin/refusals/recheck">
        <HiddenFields values={{ cause: refusal.cause, outcome: 'refused' }} />
        <button type="submit">Re-check all with this reason</button>
      </form>
      {job === undefined ? null : (
        <form method="get" action="/admin/refusals/recheck">
          <HiddenFields values={{ job, outcome: 'refused' }} />
          <button type="submit" class="quiet">
            Re-check those of this job
          </button>
        </form>
      )}
      <p class="muted">
        {refusal.recheckable === true
          ? 'A re-check asks today’s guards again, and changes nothing until you accept.'
          : 'The gateway did not keep the body of this one, so that it cannot be re-checked.'}
      </p>
    </section>
  );
}

function bodySize({ bodyBytes, bodyComplete }: RefusalDto): string {
  const size = `${count(bodyBytes ?? 0)} bytes`;
  return bodyComplete === false ? `${size} read: the beginning only` : size;
}

/** Indents the sample if it is whole JSON; it is stored on one line. */
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
