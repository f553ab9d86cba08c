/**
 * The one channel of PostgreSQL on which the gateway notifies: to listen to a channel takes a connection of its
 * own. A message is a topic, and where the topic has one, a space and a payload.
 */
export const CHANNEL = 'reducto_gateway';

/** Parameters: `CHANNEL` and the message. */
export const NOTIFY = { name: 'notify', text: 'SELECT pg_notify($1, $2)' };
