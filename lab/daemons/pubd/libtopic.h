/* libtopic: topics, "a/b/c", and filters of them, in which "+" stands for one level and a last "#" for all
 * that are left. */
#ifndef LIBTOPIC_H
#define LIBTOPIC_H

enum { TOPIC_MOST = 255, TOPIC_CAPTURES = 9 };

/* topic_valid and filter_valid look whether a text is one. */
int topic_valid(const char *topic);
int filter_valid(const char *filter);

/* topic_matches says whether a filter lets a topic through. */
int topic_matches(const char *topic, const char *filter);

/* topic_rename gives a topic that matches the name that a subscriber wants for it: "{1}" in its pattern is
 * what the filter's first wildcard stands for. The name is to be freed. */
char *topic_rename(const char *topic, const char *filter, const char *pattern);

#endif
