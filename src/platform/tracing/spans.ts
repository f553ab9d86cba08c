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
 * Spans, if tracing is on; otherwise `inSpan` only calls its work, and the SDK is not loaded. Attributes contain routes,
 * counts, kinds, and job ids, never a URL, a body, a header, or an error message.
 */

let tracer: Tracer | undefined;

/** Sets the tracer that creates spans; `undefined` turns tracing off. */
export function useTracer(made: Tracer | undefined): void {
  tracer = made;
}

export function tracesAreOn(): boolean {
  return tracer !== undefined;
}

/** A span that the caller ends, with the context for its children; undefined if tracing is off. */
export function openSpan(
  name: string,
  options: SpanOptions,
  parent: Context,
): { readonly span: Span; readonly inside: Context } | undefined {
  if (tracer === undefined) return undefined;
  const span = tracer.startSpan(name, options, parent);
  return { span, inside: trace.setSpan(parent, span) };
}

/** Runs `work` in a span. An error sets the span's status to the name of its type, and is rethrown. */
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

/** Adds attributes to the current span, if there is one. */
export function addToSpan(attributes: Attributes): void {
  if (tracer !== undefined) trace.getActiveSpan()?.setAttributes(attributes);
}

/** The current span as a W3C `traceparent`; undefined without one. */
export function currentTraceparent(): string | undefined {
  if (tracer === undefined) return undefined;
  const current = trace.getActiveSpan()?.spanContext();
  if (current === undefined || !isSpanContextValid(current)) return undefined;
  const flags = current.traceFlags.toString(16).padStart(2, '0');
  return `00-${current.traceId}-${current.spanId}-${flags}`;
}

/** Parses an untrusted `traceparent`; undefined if it is invalid. */
export function readTraceparent(text: unknown): SpanContext | undefined {
  if (typeof text !== 'string') return undefined;
  const [, traceId, spanId, flags] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  const read = { traceId, spanId, traceFlags, isRemote: true };
  return isSpanContextValid(read) ? read : undefined;
}

/** Links to the span of `traceparent`; empty if it is invalid. */
export function linksTo(traceparent: unknown): Link[] {
  const to = readTraceparent(traceparent);
  return to === undefined ? [] : [{ context: to }];
}

/** The context of a request whose caller sent `caller` as its span. */
export function contextOf(caller: SpanContext | undefined): Context {
  const root = context.active();
  return caller === undefined ? trace.deleteSpan(root) : trace.setSpanContext(root, caller);
}
