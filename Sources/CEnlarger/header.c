// The header is enough; a target needs a source.
#include "enlarger.h"
