import { Param } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';

/** The UUID in the path; other texts are not refused here, because no row has such an id. */
export const UuidParam =
  (name = 'id'): ParameterDecorator =>
  (target, method, index) => {
    Param(name)(target, method, index);
    if (method === undefined) return;
    const handler = Object.getOwnPropertyDescriptor(target, method);
    if (handler !== undefined) ApiParam({ name, format: 'uuid' })(target, method, handler);
  };
