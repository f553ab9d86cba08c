import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { laneOf, NORMAL_PLATFORM, type FaultKind, type PlannedFault } from './fault-schedule.js';
import type { SandboxControl, UpstreamJob } from './sandbox-control.js';
import type { Replica, World } from './world.js';

/** A fault as it was: from its begin to the moment when it had been undone, in epoch milliseconds. */
export interface Injected {
  readonly kind: FaultKind;
  readonly from: number;
  readonly to: number;
  readonly note: string;
}

/** Carries out the faults of a schedule at their times and undoes each of them. */
export class FaultInjector {
  readonly injected: Injected[] = [];

  constructor(
    private readonly world: World,
    private readonly sandbox: SandboxControl,
  ) {}

  /** Resolves when the last fault has been undone. */
  async run(schedule: readonly PlannedFault[]): Promise<void> {
    const startedAt = Date.now();
    const lanes = Map.groupBy(schedule, (fault) => laneOf(fault));
    await Promise.all([...lanes.values()].map((lane) => this.runLane(lane, startedAt)));
  }

  /** A fault may take longer than planned, as when a replica cannot start; the next of its lane waits. */
  private async runLane(faults: readonly PlannedFault[], startedAt: number): Promise<void> {
    for (const fault of faults) {
      await sleep(Math.max(startedAt + fault.atMs - Date.now(), 0));
      await this.inject(fault);
    }
  }

  private async inject(fault: PlannedFault): Promise<void> {
    const from = Date.now();
    const note = await this.carryOut(fault).catch(
      (error: unknown) => `went wrong: ${String(error)}`,
    );
    this.injected.push({ kind: fault.kind, from, to: Date.now(), note: note ?? '' });
  }

  /** Ends when the fault has been undone; the answer is a remark for the report. */
  private async carryOut(fault: PlannedFault): Promise<string | void> {
    const { world } = this;
    const replica = this.replica(fault);
    switch (fault.kind) {
      case 'kill':
      case 'terminate': {
        const { program } = replica;
        const how = await program.stop(fault.kind === 'kill' ? 'SIGKILL' : 'SIGTERM');
        await sleep(fault.forMs);
        await program.start();
        return `${program.name}: ${how}`;
      }
      case 'pause':
        replica.program.pause();
        await sleep(fault.forMs);
        replica.program.resume();
        return replica.program.name;
      case 'silentDatabase':
        return this.spoil(replica.database, 'silent', fault.forMs);
      case 'refuseDatabase':
        return this.spoil(replica.database, 'refuse', fault.forMs);
      case 'crashDatabase':
        return world.postgres.crash();
      case 'silentUpstream':
        return this.spoil(world.upstream, 'silent', fault.forMs);
      case 'refuseUpstream':
        return this.spoil(world.upstream, 'refuse', fault.forMs);
      case 'silentFront':
        return this.spoil(world.front, 'silent', fault.forMs);
      case 'refuseFront':
        return this.spoil(world.front, 'refuse', fault.forMs);
      case 'forge':
        return this.forge(fault.draw);
      case 'resend':
        return this.resend(fault.draw);
      case 'swap':
        return this.swap(fault.draw);
      default:
        return this.bendPlatform(fault);
    }
  }

  private replica({ replica }: PlannedFault): Replica {
    const found = this.world.replicas[replica];
    if (found === undefined) throw new Error(`there is no replica ${replica}`);
    return found;
  }

  private async spoil(
    proxy: World['front'],
    mode: 'silent' | 'refuse',
    forMs: number,
  ): Promise<void> {
    proxy.set(mode);
    await sleep(forMs);
    proxy.set('pass');
  }

  private async bendPlatform({ platform = {}, forMs }: PlannedFault): Promise<string> {
    await this.sandbox.platform(platform);
    await sleep(forMs);
    await this.sandbox.platform(NORMAL_PLATFORM);
    return JSON.stringify(platform);
  }

  private async forge(draw: number): Promise<void> {
    const [job] = await this.recentJobs(draw, 1);
    const bodies = [
      { status: 'Completed', job_id: randomUUID() },
      { status: 'Completed', job_id: job?.id, metadata: { gateway_job_id: job?.gatewayJobId } },
      {
        status: 'Failed',
        job_id: job?.id,
        metadata: { gateway_job_id: job?.gatewayJobId, token: 'v1.AAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
      },
      'this is no JSON',
    ];
    await this.sandbox.forge(this.callbackUrl(), bodies[Math.floor(draw * 1_000) % bodies.length]);
  }

  private async resend(draw: number): Promise<void> {
    const [job] = await this.recentJobs(draw, 1);
    const statuses = ['Completed', 'Failed', 'Cancelled', 'Idle'];
    const status = statuses[Math.floor(draw * 1_000) % statuses.length] ?? 'Failed';
    // It is sent in the background: the sandbox answers only when its receiver has.
    if (job !== undefined) void this.sandbox.resend(job.id, status).catch(() => undefined);
  }

  private async swap(draw: number): Promise<void> {
    const [one, other] = await this.recentJobs(draw, 2);
    if (one === undefined || other === undefined) return;
    await this.sandbox.forge(this.callbackUrl(), {
      status: 'Completed',
      job_id: other.id,
      metadata: { gateway_job_id: one.gatewayJobId, token: one.token },
    });
  }

  private callbackUrl(): string {
    return `${this.world.url}/webhooks/reducto`;
  }

  /** Jobs that may still be open at the gateway: for those that have ended nothing can go wrong. */
  private async recentJobs(draw: number, count: number): Promise<UpstreamJob[]> {
    const jobs = (await this.sandbox.jobs()).slice(-20);
    return Array.from(
      { length: Math.min(count, jobs.length) },
      (_, n) => jobs[(Math.floor(draw * jobs.length) + n) % jobs.length],
    ).flatMap((job) => job ?? []);
  }
}
