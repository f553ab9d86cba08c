import { Module } from '@nestjs/common';
import { ReductoClient } from './reducto.client.js';
import { ResultDownload } from './result-download.js';
import { Transport } from './transport.js';
import { UploadsClient } from './uploads.client.js';

@Module({
  providers: [Transport, ReductoClient, UploadsClient, ResultDownload],
  exports: [ReductoClient, UploadsClient, ResultDownload],
})
export class ReductoModule {}
