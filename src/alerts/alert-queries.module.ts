import { Module } from '@nestjs/common';
import { AlertQueries } from './alert-queries.js';
import { AlertsStore } from './alerts.store.js';

/** Reads alerts, without the detection. */
@Module({ providers: [AlertsStore, AlertQueries], exports: [AlertQueries] })
export class AlertQueriesModule {}
