import { All, Controller } from '@nestjs/common';
import { GatewayError } from '../platform/errors/error-codes.js';
import { ConsolePages } from './console-pages.decorator.js';

/** Whatever else is asked for below `/admin`. */
@ConsolePages()
@Controller('admin')
export class NotFoundController {
  @All('*')
  lost(): never {
    throw new GatewayError('not_found');
  }
}
