import type { INestApplication } from '@nestjs/common';
import { SwaggerModule } from '@nestjs/swagger';
import { describeApi } from './app.openapi.js';
import type { Settings } from './platform/config/settings.js';

/** Serves the description of the API: pages at `/docs`, JSON at `/docs/json`, YAML at `/docs/yaml`. */
export function setUpDocs(app: INestApplication, settings: Settings): void {
  SwaggerModule.setup('docs', app, describeApi(app, settings), {
    jsonDocumentUrl: 'docs/json',
    yamlDocumentUrl: 'docs/yaml',
  });
}
