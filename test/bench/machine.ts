import { cpus, loadavg, totalmem } from 'node:os';

/** Results depend on the machine; the load shows whether it was idle otherwise. */
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
