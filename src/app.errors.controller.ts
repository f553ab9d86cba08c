import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ERROR_CODES } from './platform/errors/error-codes.js';

/** The page that `type` of problem details links to: a section for each error code. */
@Controller('docs/errors')
@ApiExcludeController()
export class ErrorsPageController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  show(): string {
    return PAGE;
  }
}

const SECTIONS = Object.entries(ERROR_CODES).map(
  ([code, { status, title }]) =>
    `<h2 id="${code}">${code}</h2>\n<p>${title}. HTTP status ${status}.</p>`,
);

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Error codes of reducto-gateway</title></head>
<body>
<h1>Error codes</h1>
<p>Errors are problem details (RFC 9457). <code>code</code> is stable, <code>detail</code> says what happened and what to do.</p>
${SECTIONS.join('\n')}
</body>
</html>
`;
