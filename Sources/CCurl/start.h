// Starts libcurl once for the process. Safe from any thread.
void ec_start(void);
