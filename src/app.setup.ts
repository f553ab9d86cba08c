import multipart from '@fastify/multipart';
import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { API_PATH, Authentication } from './access/authentication.js';
import { AccessFailures } from './admin/access-failures.js';
import { AppModule } from './app.module.js';
import { setUpDocs } from './app.docs.js';
import { CONSOLE_PATH, consoleHeadersOf, setUpConsole } from './console/console.setup.js';
import { Readiness } from './health/readiness.js';
import type { Settings } from './platform/config/settings.js';
import { ProblemFilter } from './platform/errors/problem.filter.js';
import { validationPipe } from './platform/errors/field-errors.js';
import { formatErrors, type ErrorFormat } from './platform/errors/send-problem.js';
import { BodyBudget } from './platform/http/body-budget.js';
import { registerBodyParsers, type BodyKind } from './platform/http/body-parsers.js';
import { compressAnswers } from './platform/http/compression.js';
import { answerClientErrors, protectAnswers } from './platform/http/early-answers.js';
import { serializeJsonAnswers } from './platform/http/json-answer.js';
import { measureRequests } from './platform/http/http.metrics.js';
import { closeOrderly } from './platform/http/orderly-close.js';
import { prefixLocations, withoutPrefix } from './platform/http/path-prefix.js';
import { requestIdOf } from './platform/http/request-id.js';
import { traceRequests } from './platform/http/request-log.js';
import { answerRouterErrors, refuseUnknownRoutes } from './platform/http/unknown-routes.js';
import { announceClose, limitUnreadBodies } from './platform/http/unread-bodies.js';
import { Metrics } from './platform/metrics/metrics.js';
import { spanRequests } from './platform/tracing/http-spans.js';
import { startTracing } from './platform/tracing/tracing.js';
import { SDK_PATH, VERSION_PATH } from './reducto-api/sdk-paths.js';
import { sdkError } from './reducto-api/sdk-error.js';
import { answerProbes, CALLBACK_PATH, registerAllMethods } from './webhooks/callback-probe.js';

/** The longest `wait` plus time for the answer. */
const REQUEST_IDLE_MILLISECONDS = 75_000;

/** Not logged: health checks are frequent, and callbacks are recorded in the timeline of their job or in the audit. */
function isQuiet(route: string): boolean {
  return route === CALLBACK_PATH || /^\/health\b/.test(route);
}

function needsKey(route: string): boolean {
  return route.startsWith(API_PATH) || (route.startsWith(SDK_PATH) && route !== VERSION_PATH);
}

function errorFormatOf(path: string): ErrorFormat | undefined {
  return path.startsWith(SDK_PATH) ? sdkError : undefined;
}

function bodyKindOf(route: string): BodyKind | undefined {
  if (route === CALLBACK_PATH) return 'unread';
  if (route.startsWith(API_PATH) || route.startsWith(SDK_PATH)) return 'json';
  return route.startsWith(`${CONSOLE_PATH}/`) ? 'form' : undefined;
}

/** Creates the gateway as in production, also for tests. It does not listen yet. */
export async function createApp(
  settings: Settings,
  logger: LoggerService,
): Promise<NestFastifyApplication> {
  const stopTracing = await startTracing(settings);
  const headersMilliseconds = settings.REQUEST_HEADERS_TIMEOUT_SECONDS * 1000;
  const rewriteUrl = withoutPrefix(settings.pathPrefix, settings.apiPathPrefix);
  const adapter = new FastifyAdapter({
    trustProxy: false,
    bodyLimit: settings.REQUEST_MAX_BYTES,
    genReqId: requestIdOf,
    keepAliveTimeout: REQUEST_IDLE_MILLISECONDS,
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    http: {
      headersTimeout: headersMilliseconds,
      connectionsCheckingInterval: headersMilliseconds / 2,
    },
    frameworkErrors: answerRouterErrors(consoleHeadersOf, errorFormatOf),
    clientErrorHandler: answerClientErrors((url) => errorFormatOf(rewriteUrl({ url }))),
    rewriteUrl,
    skipMiddie: true,
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(settings),
    adapter,
    {
      logger,
      bodyParser: false,
      abortOnError: false,
    },
  );
  const fastify: FastifyInstance = adapter.getInstance();
  protectAnswers(fastify);
  serializeJsonAnswers(fastify);
  const everything = settings.LOG_LEVEL === 'debug' || settings.LOG_LEVEL === 'trace';
  traceRequests(fastify, (route) => !everything && isQuiet(route));
  const readiness = app.get(Readiness, { strict: false });
  closeOrderly(fastify, settings.SHUTDOWN_TIMEOUT_SECONDS, () => readiness.isStopping);
  if (stopTracing !== undefined) {
    spanRequests(fastify, new Set([CALLBACK_PATH]));
    fastify.addHook('onClose', stopTracing);
  }
  compressAnswers(fastify, (route) => isQuiet(route) || route.startsWith(CONSOLE_PATH));
  measureRequests(fastify, app.get(Metrics, { strict: false }));
  limitUnreadBodies(fastify.server);
  announceClose(fastify);
  prefixLocations(fastify, settings.pathPrefix);
  // Before a body is read: unknown routes, then API keys.
  refuseUnknownRoutes(fastify, consoleHeadersOf);
  if (settings.has('api')) {
    formatErrors(fastify, errorFormatOf);
    app.get(Authentication, { strict: false }).register(fastify, needsKey);
    app.get(AccessFailures, { strict: false }).register(fastify);
  }
  registerBodyParsers(fastify, {
    forApi: settings.has('api'),
    kindOf: bodyKindOf,
    maxJsonBytes: settings.REQUEST_MAX_BYTES,
    timeoutMilliseconds: settings.REQUEST_BODY_TIMEOUT_SECONDS * 1000,
    budget: BodyBudget.of(settings.REQUEST_BODY_BUDGET_BYTES, settings.REQUEST_MAX_BYTES),
    ownerOf: ({ caller }) => caller?.service,
  });
  if (settings.has('webhooks')) {
    registerAllMethods(fastify);
    answerProbes(fastify, settings);
  }
  app.useGlobalFilters(new ProblemFilter());
  app.useGlobalPipes(validationPipe());
  if (settings.has('api')) {
    await app.register(multipart, {
      limits: { files: 1, fields: 20, parts: 20, fileSize: Number.MAX_SAFE_INTEGER },
    });
    setUpDocs(app, settings);
    await setUpConsole(app);
  }
  return app;
}
