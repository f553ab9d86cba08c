import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { AddressPolicy } from '../../src/deliveries/sending/address-policy.js';
import type { AddressResolver } from '../../src/deliveries/sending/address-resolver.js';
import {
  EventSender,
  type Answered,
  type SendOutcome,
  type SendRequest,
} from '../../src/deliveries/sending/event-sender.js';
import { Settings } from '../../src/platform/config/settings.js';
import { FakeResolver } from './fake-resolver.js';
import { startReceiver, type Receive, type Receiver, type ReceiverOptions } from './receiver.js';

export const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
export const BODY = Buffer.from('{"type":"job.completed","data":{"id":"job ä €"}}');

/** The DNS of `senderWith`. */
export const resolver = new FakeResolver();

/** A sender that ends with the test. */
export function senderWith(
  environment: Record<string, string> = {},
  dns: AddressResolver = resolver,
): EventSender {
  const settings = Settings.load({ DELIVERY_TIMEOUT_SECONDS: '5', ...environment });
  const sender = new EventSender(settings, new AddressPolicy(settings, dns));
  onTestFinished(() => sender.onApplicationShutdown());
  return sender;
}

/** A receiver that ends with the test. */
export async function receiverWith(
  receive?: Receive,
  options?: ReceiverOptions,
): Promise<Receiver> {
  const receiver = await startReceiver(receive, options);
  onTestFinished(() => receiver.close());
  return receiver;
}

export async function send(
  url: string,
  given: Partial<SendRequest> = {},
  sender = senderWith(),
): Promise<SendOutcome> {
  return sender.send({
    url,
    id: 'evt_1',
    body: BODY,
    secrets: [SECRET],
    headers: {},
    sendSvixHeaders: false,
    timestamp: new Date(),
    ...given,
  });
}

export function answered(outcome: SendOutcome): Answered {
  if ('error' in outcome) throw new Error(`not answered: ${outcome.error.code}`);
  return outcome;
}

/** The code of the error, or the status of the answer. */
export const codeOf = (outcome: SendOutcome): string =>
  'error' in outcome ? outcome.error.code : String(outcome.status);
