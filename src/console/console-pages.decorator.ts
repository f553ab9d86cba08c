import { applyDecorators, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ConsoleErrorsFilter } from './console-errors.filter.js';
import { PageInterceptor } from './layout/page.interceptor.js';
import { SessionGuard } from './session/session.guard.js';

/** What all controllers of the console have in common: for who is signed in, as HTML, errors too. */
export const ConsolePages = (): ClassDecorator =>
  applyDecorators(
    ApiExcludeController(),
    UseGuards(SessionGuard),
    UseInterceptors(PageInterceptor),
    UseFilters(ConsoleErrorsFilter),
  );
