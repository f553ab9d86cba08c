/** `share` from 0 to 1; the values need not be sorted. */
export function percentile(values: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(values).toSorted();
  const place = Math.min(Math.floor(sorted.length * share), sorted.length - 1);
  return sorted[place] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** Median and range, as `12.3 (11.9–13.0)`. */
export function spread(values: readonly number[], digits: number): string {
  const text = (value: number): string => value.toFixed(digits);
  const range = `${text(Math.min(...values))}–${text(Math.max(...values))}`;
  return values.length < 2 ? text(median(values)) : `${text(median(values))} (${range})`;
}
