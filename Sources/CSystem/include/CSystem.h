// System calls that Swift does not import.
#ifndef ENLARGER_CSYSTEM_H
#define ENLARGER_CSYSTEM_H

/// Processors that this process may run on (its affinity mask).
int es_processor_count(void);

#endif
