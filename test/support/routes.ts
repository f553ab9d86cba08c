import { RequestMethod } from '@nestjs/common';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import type { TestGateway } from './gateway.js';

export interface Route {
  readonly method: string;
  /** With `:name` for parameters. */
  readonly path: string;
}

/** The routes of all controllers. */
export function routesOf({ app }: TestGateway): Route[] {
  const modules = [...app.get(ModulesContainer, { strict: false }).values()];
  const controllers = modules.flatMap(({ controllers }) =>
    [...controllers.values()].map(({ metatype }) => metatype),
  );
  return controllers.flatMap((controller) => {
    if (typeof controller !== 'function') return [];
    const prototype: object = controller.prototype;
    return new MetadataScanner().getAllMethodNames(prototype).flatMap((name) => {
      const handler: unknown = Reflect.get(prototype, name);
      if (typeof handler !== 'function' || !Reflect.hasMetadata('method', handler)) return [];
      const method = RequestMethod[Number(Reflect.getMetadata('method', handler))] ?? 'GET';
      const paths = [Reflect.getMetadata('path', controller)].flat().map(String);
      const path = String(Reflect.getMetadata('path', handler));
      return paths.map((base) => ({
        method,
        path: `/${[base, path].join('/')}`.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1'),
      }));
    });
  });
}
