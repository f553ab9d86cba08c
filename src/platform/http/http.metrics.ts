import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from '../metrics/metrics.js';
import type { HotHistogram, HotSeries } from '../metrics/hot-histogram.js';

/** From a refusal to the longest `wait`, in seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** By the first digit of the status. */
const CLASSES = ['other', '1xx', '2xx', '3xx', '4xx', '5xx'];

/**
 * Counts and times every request by its route as it is declared (never by its URL), its method and the class of
 * its status. Call it before any route is declared. What senders choose makes no series beyond a fixed number:
 * unknown paths are one route, unusual methods are one method.
 *
 * The series of a route are found by two array reads, so that thousands of callbacks per second do not pay for it.
 */
export function measureRequests(fastify: FastifyInstance, metrics: Metrics): void {
  const histogram = metrics.hotHistogram(
    'gateway_http_request_duration_seconds',
    'How long requests take, by route, method and class of status; its count is the number of requests',
    BOUNDS,
  );
  const routes = new Map<string, RouteMetrics>();
  const of = (route: string): RouteMetrics => {
    const metrics = routes.get(route) ?? new RouteMetrics(histogram, route);
    routes.set(route, metrics);
    return metrics;
  };
  fastify.addHook('onRoute', (options) => {
    const metrics = of(options.url);
    const record = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
      metrics.record(request.method, reply);
      done();
    };
    options.onResponse = [record, ...[options.onResponse ?? []].flat()];
  });
  const unknown = of('(no route)');
  fastify.addHook('onResponse', (request, reply, done) => {
    if (request.is404) unknown.record(request.method, reply);
    done();
  });
  metrics.meter
    .createObservableGauge('gateway_http_connections', {
      description: 'Open connections to the main port',
    })
    .addCallback(async (result) => result.observe(await connections(fastify)));
}

/** The series of one route, made when they are first needed. */
class RouteMetrics {
  private readonly byMethod = new Map<string, (HotSeries | undefined)[]>();

  constructor(
    private readonly histogram: HotHistogram,
    private readonly route: string,
  ) {
    for (const method of [...METHODS, 'other']) this.byMethod.set(method, []);
  }

  record(method: string, reply: FastifyReply): void {
    const hundreds = Math.floor(reply.statusCode / 100);
    const statusClass = hundreds < CLASSES.length ? hundreds : 0;
    const ofMethod = this.byMethod.get(method) ?? this.byMethod.get('other') ?? [];
    const series = (ofMethod[statusClass] ??= this.series(method, statusClass));
    series.record(reply.elapsedTime / 1000);
  }

  private series(method: string, statusClass: number): HotSeries {
    return this.histogram.series({
      route: this.route,
      method: METHODS.includes(method) ? method : 'other',
      status: CLASSES[statusClass] ?? 'other',
    });
  }
}

function connections({ server }: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
