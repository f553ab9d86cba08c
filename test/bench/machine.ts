import { cpus, loadavg, totalmem } from 'node:os';

/** What a figure is worth depends on the machine; the load tells whether it was alone. */
export function describeMachine(postgresVersion: string): string[] {
  const processors = cpus();
  const gigabytes = (totalmem() / 2 ** 30).toFixed(0);
  return [
    `${processors.length} cores of ${processors[0]?.model.trim() ?? 'unknown'}, ${gigabytes} GB; Node ${process.version}, PostgreSQL ${postgresVersion}`,
    `load generator, servers and PostgreSQL share these ${processors.length} cores; all on loopback`,
    describeLoad(),
  ];
}

export function describeLoad(): string {
  const load = loadavg().map((value) => value.toFixed(1));
  return `load average ${load.join(', ')}`;
}
