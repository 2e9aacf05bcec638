/* ClickHouse as one process: the engine of chdb's library, told to listen.
 *
 * The library's entry is the command line of clickhouse-local, which ends with its last query. So the last query reads its
 * standard input, a pipe that this process writes nothing into; SIGTERM closes the pipe, and the engine ends cleanly. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

struct answer {
  char *text;
  size_t length;
  void *owner;
  double seconds;
  uint64_t rows;
  uint64_t bytes;
  char *fault;
};

struct answer *query_stable_v2(int argc, char **argv);

static int pipe_ends[2];

static void *end_on_term(void *terms) {
  int which;
  sigwait(terms, &which);
  close(pipe_ends[1]);
  return NULL;
}

int main(int argc, char **argv) {
  static sigset_t terms;
  pthread_t waiting;
  sigemptyset(&terms);
  sigaddset(&terms, SIGTERM);
  if (pthread_sigmask(SIG_BLOCK, &terms, NULL) || pipe(pipe_ends) || dup2(pipe_ends[0], STDIN_FILENO) < 0 ||
      pthread_create(&waiting, NULL, end_on_term, &terms))
    return 1;
  argv[0] = "clickhouse-local";
  struct answer *answer = query_stable_v2(argc, argv);
  if (answer && answer->fault) {
    fprintf(stderr, "%s\n", answer->fault);
    return 1;
  }
  return 0;
}
