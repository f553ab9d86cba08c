const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Counts passed checks, and prints failed ones. */
export class Verdict {
  private passed = 0;
  private readonly failed: string[] = [];
  private readonly left: string[] = [];

  chapter(title: string): void {
    say(`\n${title}`);
  }

  async check(name: string, test: () => Promise<unknown>): Promise<void> {
    const start = Date.now();
    const seconds = (): string => ((Date.now() - start) / 1000).toFixed(1);
    try {
      const note = await test();
      this.passed += 1;
      say(`  ok      ${name}${typeof note === 'string' ? ` (${note})` : ''}, ${seconds()} s`);
    } catch (error) {
      this.failed.push(name);
      const message = error instanceof Error ? error.message : String(error);
      say(`  FAILED  ${name}, ${seconds()} s\n${message.replaceAll(/^/gm, '          ')}`);
    }
  }

  notVerified(what: string): void {
    this.left.push(what);
    say(`  left    ${what}`);
  }

  /** Prints the summary; true if nothing failed. */
  close(): boolean {
    say('');
    for (const what of this.left) say(`not verified: ${what}`);
    for (const name of this.failed) say(`failed: ${name}`);
    say(`${this.passed} passed, ${this.failed.length} failed`);
    return this.failed.length === 0;
  }
}

export function expectEqual(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, and not ${b}`);
}
