import { FastifyInstance } from 'fastify';
import { Backend } from '../backend.js';

/** The two routes that return a JSON string. */
export function serviceRoutes(api: FastifyInstance, backend: Backend): void {
  api.get('/version', (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(backend.platform.current.version)),
  );
  // The real response links to the Svix portal and gives access to the signing secrets.
  api.post('/configure_webhook', (_request, reply) =>
    reply
      .type('application/json')
      .send(JSON.stringify('https://app.svix.example/login#key=sandbox')),
  );
}
