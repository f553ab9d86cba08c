import { Controller, Get, Header, Headers, Redirect } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { GatewayError } from '../platform/errors/error-codes.js';

/** `/` leads a browser to the console. Clients of the API learn that nothing is there. */
@Controller()
@ApiExcludeController()
export class HomeController {
  /** The location is relative, so it holds below the path prefix of a proxy too. */
  @Get()
  @Header('Vary', 'Accept')
  @Redirect('admin', 302)
  show(@Headers('accept') accept = ''): void {
    if (!/\btext\/html\b/i.test(accept)) throw new GatewayError('not_found');
  }
}
