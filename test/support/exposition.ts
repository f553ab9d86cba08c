/** A metric in the output of `/metrics`. */
export interface ExposedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Sorted label names, without `le`. */
  readonly labels: readonly string[];
  /** Names of the time series; a histogram has `_bucket`, `_sum`, and `_count`. */
  readonly series: readonly string[];
}

/** Parses the text format of Prometheus. Throws for an invalid line. */
export function parseMetrics(text: string): ExposedMetric[] {
  const metrics = new Map<string, { type: string; help: string; labels: Set<string> }>();
  for (const line of text.split('\n')) {
    const metadata = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (metadata !== null) {
      const [, kind, name = '', value = ''] = metadata;
      const metric = metrics.get(name) ?? { type: '', help: '', labels: new Set<string>() };
      metrics.set(name, metric);
      if (kind === 'HELP') metric.help = value;
      else metric.type = value;
      continue;
    }
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', labels = ''] =
      /^([a-z_]+)(?:\{(.*)\})? (?:[-+.\de]+|NaN|[-+]Inf)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not a line of metrics: ${line}`);
    const metric = metrics.get(name) ?? metrics.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (metric === undefined) throw new Error(`a metric without a type: ${line}`);
    for (const [, label = ''] of labels.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)) {
      if (label !== 'le') metric.labels.add(label);
    }
  }
  return [...metrics].map(([name, { type, help, labels }]) => ({
    name,
    type,
    help,
    labels: [...labels].toSorted(),
    series:
      type === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name],
  }));
}
