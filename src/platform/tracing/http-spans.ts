import { context, SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { addLogFields, currentLogFields } from '../logging/log-context.js';
import { contextOf, openSpan, readTraceparent } from './spans.js';

/** Requested every few seconds by health checks and Prometheus. */
const QUIET = /^\/(health|metrics)\b/;

/**
 * Records a span for each request, named by its route, if tracing is on. The span continues the trace of `traceparent`,
 * except on `untrusted` routes, whose senders must neither choose trace ids nor force sampling.
 */
export function spanRequests(fastify: FastifyInstance, untrusted: ReadonlySet<string>): void {
  const spans = new WeakMap<FastifyRequest, Span>();
  fastify.addHook('onRequest', (request, _reply, done) => {
    const route = request.routeOptions.url ?? '(no route)';
    const caller = untrusted.has(route) ? undefined : readTraceparent(request.headers.traceparent);
    const attributes = { 'http.request.method': request.method, 'http.route': route };
    const opened = QUIET.test(route)
      ? undefined
      : openSpan(
          `${request.method} ${route}`,
          { kind: SpanKind.SERVER, attributes },
          contextOf(caller),
        );
    if (opened === undefined) return done();
    spans.set(request, opened.span);
    addLogFields({ traceId: opened.span.spanContext().traceId });
    context.with(opened.inside, done);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const span = spans.get(request);
    if (span === undefined) return done();
    const { jobId } = currentLogFields();
    span.setAttributes({
      'http.response.status_code': reply.statusCode,
      'gateway.request_id': request.id,
      ...(jobId === undefined ? {} : { 'gateway.job_id': jobId }),
    });
    if (reply.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    done();
  });
}
