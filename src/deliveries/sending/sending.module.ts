import { Module } from '@nestjs/common';
import { DataCipher } from '../../platform/crypto/data-cipher.js';
import { AddressPolicy } from './address-policy.js';
import { AddressResolver } from './address-resolver.js';
import { EventSender } from './event-sender.js';

/** Where events may be sent, and how they are sent. */
@Module({
  providers: [AddressResolver, AddressPolicy, EventSender, DataCipher],
  exports: [AddressPolicy, EventSender, DataCipher],
})
export class SendingModule {}
