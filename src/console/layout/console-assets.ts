import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';

export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  /** Changes with the bytes, so that browsers may keep an asset for good. */
  readonly version: string;
}

const chart = import.meta.resolve('chart.js');

/** All files that pages load. They come from this machine, because there may be no internet. */
const FILES: Readonly<Record<string, readonly [type: string, from: URL]>> = {
  'console.css': ['text/css; charset=utf-8', new URL('../assets/console.css', import.meta.url)],
  'console.js': [
    'text/javascript; charset=utf-8',
    new URL('../assets/console.js', import.meta.url),
  ],
  'charts.js': ['text/javascript; charset=utf-8', new URL('../assets/charts.js', import.meta.url)],
  'chart.js': ['text/javascript; charset=utf-8', new URL('./chart.umd.min.js', chart)],
  'icon.svg': ['image/svg+xml', new URL('../assets/icon.svg', import.meta.url)],
};

/** The style, the scripts and the icon of the console, read once. */
@Injectable()
export class ConsoleAssets {
  private readonly assets = new Map<string, Asset>(
    Object.entries(FILES).map(([name, [type, from]]) => {
      const bytes = readFileSync(fileURLToPath(from));
      const version = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
      return [name, { type, bytes, version }];
    }),
  );

  find(name: string): Asset | undefined {
    return this.assets.get(name);
  }

  href(name: string): string {
    const asset = this.assets.get(name);
    if (asset === undefined) throw new Error(`there is no asset ${name}`);
    return `/admin/assets/${asset.version}/${name}`;
  }
}
