import { Module } from '@nestjs/common';
import { DataKeysService } from './data-keys.service.js';
import { DeliveriesModule } from './deliveries.module.js';
import { DeliveryLeaseStore } from './delivering/delivery-lease.store.js';
import { DeliveryMetrics } from './delivering/delivery.metrics.js';
import { DeliveryRecorder } from './delivering/delivery-recorder.js';
import { DeliveryResultsStore } from './delivering/delivery-results.store.js';
import { DeliveryWork } from './delivering/delivery.work.js';
import { EndpointDisabler } from './delivering/endpoint-disabler.js';
import { EventBody } from './delivering/event-body.js';
import { MissingKeys } from './delivering/missing-keys.js';
import { EventErasureStore } from './events/event-erasure.store.js';
import { EventErasureWork } from './events/event-erasure.work.js';
import { FanOutWork } from './events/fan-out.work.js';

/** Makes events and delivers them, in processes with the role `worker`. */
@Module({
  imports: [DeliveriesModule],
  providers: [
    FanOutWork,
    EventErasureStore,
    EventErasureWork,
    DeliveryLeaseStore,
    DeliveryResultsStore,
    DeliveryMetrics,
    EndpointDisabler,
    DeliveryRecorder,
    EventBody,
    DeliveryWork,
    DataKeysService,
    MissingKeys,
  ],
})
export class DeliveriesWorkerModule {}
