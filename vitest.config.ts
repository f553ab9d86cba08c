import { defineConfig } from 'vitest/config';
import { swaggerPlugin } from './test/support/swagger-plugin.js';

const report = process.env['GATEWAY_TEST_REPORT'];

export default defineConfig({
  plugins: [swaggerPlugin()],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers than that only make the timings of the tests noisier.
    maxWorkers: 2,
    ...(report === undefined
      ? {}
      : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
