import './platform/node-version.js';
import { handleStopSignals } from './platform/stop-signals.js';

/* Loading the gateway takes a second. A stop signal must not be lost in it, so the rest is loaded after this. */

handleStopSignals();
await import('./start.js');
