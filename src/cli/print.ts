/** The result of a command; everything else goes to stderr. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
