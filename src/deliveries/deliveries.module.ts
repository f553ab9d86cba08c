import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { JobsModule } from '../jobs/jobs.module.js';
import { WorkModule } from '../platform/work/work.module.js';
import { Attempt } from './delivering/attempt.entity.js';
import { DeliveriesStore } from './delivering/deliveries.store.js';
import { Delivery } from './delivering/delivery.entity.js';
import { EndpointsService } from './endpoints.service.js';
import { Endpoint } from './endpoints/endpoint.entity.js';
import { EndpointsStore } from './endpoints/endpoints.store.js';
import { JobEndpoints } from './endpoints/job-endpoints.js';
import { EventsService } from './events.service.js';
import { Event } from './events/event.entity.js';
import { DeliveryTimeline } from './events/delivery-timeline.js';
import { EventsStore } from './events/events.store.js';
import { FanOut } from './events/fan-out.js';
import { FanOutStore } from './events/fan-out.store.js';
import { FeedRequests } from './events/feed-requests.js';
import { SendingModule } from './sending/sending.module.js';

/** Events and endpoints as every role needs them. Features use `EndpointsService` and `EventsService`. */
@Module({
  imports: [
    TypeOrmModule.forFeature([Event, Endpoint, Delivery, Attempt]),
    JobsModule,
    WorkModule,
    SendingModule,
  ],
  providers: [
    EndpointsStore,
    JobEndpoints,
    EventsStore,
    DeliveriesStore,
    FanOutStore,
    FanOut,
    FeedRequests,
    DeliveryTimeline,
    EndpointsService,
    EventsService,
  ],
  exports: [
    // For the other modules of this feature; other features cannot import them.
    EndpointsStore,
    EventsStore,
    FanOutStore,
    FanOut,
    EndpointsService,
    EventsService,
    JobsModule,
    WorkModule,
    SendingModule,
  ],
})
export class DeliveriesModule {}
