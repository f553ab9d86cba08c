import './platform/node-version.js';
import { handleStopSignals } from './platform/stop-signals.js';

handleStopSignals();
await import('./cli/program.js');
