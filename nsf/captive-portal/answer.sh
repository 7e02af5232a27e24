# captive-portal/answer.sh FILE: say what is in a file, whatever is asked.
#
# What is asked is taken in and thrown away, for who closes a connection before that tears it down.  Run by the shell of
# busybox, whose read has limits: of time, in seconds, and of characters.
lines=0
while [ $lines -lt 64 ] && read -r -t 5 -n 1024 line && [ ${#line} -gt 1 ]; do
    lines=$((lines + 1))
done
cat "$1"
