/* queue: the worker, which keeps jobs for others to do. */
#ifndef QUEUE_H
#define QUEUE_H

/* queue_serve serves clients, writes its journal, and gives a sign of life now and then; it returns only if
 * it can't go on. */
int queue_serve(int listener, const char *journal, int pulse);

#endif
