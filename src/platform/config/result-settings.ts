import { setting } from './setting-definition.js';
import { hostAndPort, integer, listOf, oneOf } from './setting-kinds.js';

/** Settings of the download of results and their files. */
export const RESULT_SETTINGS = {
  RESULT_GRACE_SECONDS: setting(
    integer(0, 86_400),
    '600',
    'time to retry fetching the result of a completed job, and the files that it links to, before the job ends without them',
  ),
  RESULT_MAX_BYTES: setting(
    integer(1024, 10_737_418_240),
    '536870912',
    'maximum size of a result, uncompressed',
  ),
  RESULT_TIMEOUT_SECONDS: setting(
    integer(1, 7200),
    '300',
    'total timeout of the download of a result',
  ),
  RESULT_FILE_MAX_BYTES: setting(
    integer(1024, 10_737_418_240),
    '104857600',
    'maximum size of a file that a result links to',
  ),
  RESULT_FILES_TOTAL_MAX_BYTES: setting(
    integer(1024, 107_374_182_400),
    '1073741824',
    'maximum size of all files of a result together',
  ),
  RESULT_FILE_TIMEOUT_SECONDS: setting(
    integer(1, 7200),
    '60',
    'timeout of the download of a file; `RESULT_TIMEOUT_SECONDS` is the timeout for all files of a result',
  ),
  MISSING_FILES: setting(
    oneOf('keep', 'fail'),
    'keep',
    'what becomes of a job if a file that its result links to cannot be fetched: `keep` completes it and names the missing files, `fail` fails it',
  ),
  RESULT_URL_HOSTS: setting(
    listOf(hostAndPort),
    '',
    '`host` or `host:port` (`*.example.com`: all subdomains) that results and their files may be downloaded from, in addition to Reducto’s own host; empty: any public host, by https on port 443',
  ),
} as const;
