import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { WorkModule } from '../platform/work/work.module.js';
import { Attempt } from './delivering/attempt.entity.js';
import { Delivery } from './delivering/delivery.entity.js';
import { Endpoint } from './endpoints/endpoint.entity.js';
import { Event } from './events/event.entity.js';
import { FanOutStore } from './events/fan-out.store.js';
import { FanOutWork } from './events/fan-out.work.js';

/** Makes events and delivers them, in processes with the role `worker`. */
@Module({
  imports: [TypeOrmModule.forFeature([Event, Endpoint, Delivery, Attempt]), WorkModule],
  providers: [FanOutStore, FanOutWork],
})
export class DeliveriesWorkerModule {}
