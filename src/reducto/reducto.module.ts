import { Module } from '@nestjs/common';
import { WorkModule } from '../platform/work/work.module.js';
import { ApiKeyStatus } from './api-key-status.js';
import { ReductoClient } from './reducto.client.js';
import { ResultDownload } from './result-download.js';
import { Transport } from './transport.js';
import { UpstreamMetrics } from './upstream.metrics.js';
import { UpstreamListing } from './upstream-listing.js';
import { UpstreamRateLimiter } from './upstream-rate-limiter.js';
import { UpstreamRequests } from './upstream-requests.js';
import { UpstreamCheck } from './upstream-check.js';
import { UploadsClient } from './uploads.client.js';

@Module({
  imports: [WorkModule],
  providers: [
    ApiKeyStatus,
    Transport,
    UpstreamRequests,
    UpstreamMetrics,
    UpstreamRateLimiter,
    ReductoClient,
    UpstreamListing,
    UpstreamCheck,
    UploadsClient,
    ResultDownload,
  ],
  exports: [
    ApiKeyStatus,
    ReductoClient,
    UpstreamListing,
    UpstreamCheck,
    UpstreamRateLimiter,
    UploadsClient,
    ResultDownload,
  ],
})
export class ReductoModule {}
