/** Milliseconds of a clock that only goes forward, and that all processes of the machine share. */
export function steadyMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
