import {
  context,
  isSpanContextValid,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';

/*
 * Spans, where traces are on. The SDK is not imported here: while they are off, `inSpan` is a call of its work and
 * nothing else. Attributes hold routes, counts, kinds and ids of jobs: never a URL, a body, a header or an error's text.
 */

let tracer: Tracer | undefined;

/** From now on spans are made with `made`; `undefined`: none are. */
export function useTracer(made: Tracer | undefined): void {
  tracer = made;
}

export function tracesAreOn(): boolean {
  return tracer !== undefined;
}

/** A span that the caller ends, and the context in which what belongs to it has to run. Undefined while traces are off. */
export function openSpan(
  name: string,
  options: SpanOptions,
  parent: Context,
): { readonly span: Span; readonly inside: Context } | undefined {
  if (tracer === undefined) return undefined;
  const span = tracer.startSpan(name, options, parent);
  return { span, inside: trace.setSpan(parent, span) };
}

/** Does `work` within a span. What it throws marks the span by the name of its type, and passes through. */
export function inSpan<T>(
  name: string,
  options: SpanOptions,
  work: (span?: Span) => Promise<T>,
): Promise<T> {
  if (tracer === undefined) return work();
  return tracer.startActiveSpan(name, options, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.setAttribute('error.type', error instanceof Error ? error.name : 'unknown');
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Adds to the span in which the caller runs, if there is one. */
export function addToSpan(attributes: Attributes): void {
  if (tracer !== undefined) trace.getActiveSpan()?.setAttributes(attributes);
}

/** The span in which the caller runs, as W3C Trace Context writes it; undefined without one. */
export function currentTraceparent(): string | undefined {
  if (tracer === undefined) return undefined;
  const current = trace.getActiveSpan()?.spanContext();
  if (current === undefined || !isSpanContextValid(current)) return undefined;
  const flags = current.traceFlags.toString(16).padStart(2, '0');
  return `00-${current.traceId}-${current.spanId}-${flags}`;
}

/** What a `traceparent` says; undefined where it is none. Anything may stand there: it comes from outside. */
export function readTraceparent(text: unknown): SpanContext | undefined {
  if (typeof text !== 'string') return undefined;
  const [, traceId, spanId, flags] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  const read = { traceId, spanId, traceFlags, isRemote: true };
  return isSpanContextValid(read) ? read : undefined;
}

/** Links to the span that `traceparent` names; none where it names none. */
export function linksTo(traceparent: unknown): Link[] {
  const to = readTraceparent(traceparent);
  return to === undefined ? [] : [{ context: to }];
}

/** The context of a request that says it belongs to `caller`. */
export function contextOf(caller: SpanContext | undefined): Context {
  const root = context.active();
  return caller === undefined ? trace.deleteSpan(root) : trace.setSpanContext(root, caller);
}
