/** A figure as `/metrics` shows it. */
export interface ShownFigure {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Names of the labels, without `le`, sorted. */
  readonly labels: readonly string[];
  /** Names of the series in queries: of a histogram, those with `_bucket`, `_sum` and `_count`. */
  readonly series: readonly string[];
}

/** What a text in the format of Prometheus shows, by name. Throws where a line cannot be read. */
export function figuresOf(text: string): ShownFigure[] {
  const figures = new Map<string, { type: string; help: string; labels: Set<string> }>();
  for (const line of text.split('\n')) {
    const about = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (about !== null) {
      const [, kind, name = '', value = ''] = about;
      const figure = figures.get(name) ?? { type: '', help: '', labels: new Set<string>() };
      figures.set(name, figure);
      if (kind === 'HELP') figure.help = value;
      else figure.type = value;
      continue;
    }
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', labels = ''] =
      /^([a-z_]+)(?:\{(.*)\})? (?:[-+.\de]+|NaN|[-+]Inf)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not a line of figures: ${line}`);
    const figure = figures.get(name) ?? figures.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (figure === undefined) throw new Error(`a figure without a type: ${line}`);
    for (const [, label = ''] of labels.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)) {
      if (label !== 'le') figure.labels.add(label);
    }
  }
  return [...figures].map(([name, { type, help, labels }]) => ({
    name,
    type,
    help,
    labels: [...labels].toSorted(),
    series:
      type === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name],
  }));
}
