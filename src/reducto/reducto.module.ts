import { Module } from '@nestjs/common';
import { ReductoClient } from './reducto.client.js';
import { ResultDownload } from './result-download.js';
import { Transport } from './transport.js';
import { UpstreamFigures } from './upstream-figures.js';
import { UpstreamListing } from './upstream-listing.js';
import { UpstreamPace } from './upstream-pace.js';
import { UploadsClient } from './uploads.client.js';

@Module({
  providers: [
    Transport,
    UpstreamFigures,
    UpstreamPace,
    ReductoClient,
    UpstreamListing,
    UploadsClient,
    ResultDownload,
  ],
  exports: [ReductoClient, UpstreamListing, UpstreamPace, UploadsClient, ResultDownload],
})
export class ReductoModule {}
