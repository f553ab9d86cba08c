import { expect, it } from 'vitest';
import { HotHistogram } from '../../src/platform/metrics/hot-histogram.js';

it('renders the text format of Prometheus: cumulative buckets with inclusive bounds, sum, and count', () => {
  const histogram = new HotHistogram('x_seconds', 'What x takes', [0.1, 1]);
  const series = histogram.series({ route: '/a', status: '2xx' });
  for (const value of [0.05, 0.1, 0.5, 7]) series.record(value);
  expect(histogram.text()).toBe(`# HELP x_seconds What x takes
# TYPE x_seconds histogram
x_seconds_bucket{route="/a",status="2xx",le="0.1"} 2
x_seconds_bucket{route="/a",status="2xx",le="1"} 3
x_seconds_bucket{route="/a",status="2xx",le="+Inf"} 4
x_seconds_sum{route="/a",status="2xx"} 7.65
x_seconds_count{route="/a",status="2xx"} 4
`);
});

it('renders nothing without a series, and escapes label values', () => {
  const histogram = new HotHistogram('x', 'x', [1]);
  expect(histogram.text()).toBe('');
  histogram.series({ route: 'a"b\\c\nd' });
  expect(histogram.text()).toContain('x_count{route="a\\"b\\\\c\\nd"} 0');
});

it('works without labels', () => {
  const histogram = new HotHistogram('x', 'x', [1]);
  histogram.series({}).record(1);
  expect(histogram.text()).toContain('x_bucket{le="1"} 1\n');
  expect(histogram.text()).toContain('\nx_count 1\n');
});
