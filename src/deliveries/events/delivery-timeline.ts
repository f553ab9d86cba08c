import { Injectable, type OnModuleInit } from '@nestjs/common';
import { JobsService } from '../../jobs/jobs.service.js';
import { DeliveriesStore } from '../delivering/deliveries.store.js';

/** Maximum number of attempts in the timeline of a job. */
const MAX_ATTEMPTS = 200;

/** Shows the deliveries of its event in the timeline of a job. */
@Injectable()
export class DeliveryTimeline implements OnModuleInit {
  constructor(
    private readonly jobs: JobsService,
    private readonly deliveries: DeliveriesStore,
  ) {}

  onModuleInit(): void {
    this.jobs.addTimelineSource(async (jobId) =>
      (await this.deliveries.listAttemptsOfJob(jobId, MAX_ATTEMPTS)).map(
        ({ at, eventId, endpointId, attempt, status, error }) => ({
          at,
          type: error === null ? ('event_delivered' as const) : ('event_not_delivered' as const),
          detail: { eventId, endpointId, attempt, status, ...(error === null ? {} : { error }) },
        }),
      ),
    );
  }
}
