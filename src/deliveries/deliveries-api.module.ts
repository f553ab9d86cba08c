import { Module } from '@nestjs/common';
import { EndpointsController } from './api/endpoints.controller.js';
import { EventsController } from './api/events.controller.js';
import { DeliveriesModule } from './deliveries.module.js';

/** The REST API of events and endpoints; only in processes with the role `api`. */
@Module({ imports: [DeliveriesModule], controllers: [EndpointsController, EventsController] })
export class DeliveriesApiModule {}
