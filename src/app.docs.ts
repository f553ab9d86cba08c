import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Problem } from './platform/errors/problem.js';

/** OpenAPI, from the same classes that validate and answer: pages at `/docs`, JSON at `/docs/json`. */
export function setUpDocs(app: INestApplication): void {
  const description = new DocumentBuilder()
    .setTitle('reducto-gateway')
    .setDescription(
      'Submit documents to Reducto and read the results. Errors are problem details (RFC 9457) with a stable `code`.',
    )
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key of the gateway.' })
    .build();
  const document = SwaggerModule.createDocument(app, description, { extraModels: [Problem] });
  SwaggerModule.setup('docs', app, document, {
    jsonDocumentUrl: 'docs/json',
    yamlDocumentUrl: 'docs/yaml',
  });
}
