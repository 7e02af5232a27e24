# captive-portal/answer.sh FILE: say what is in a file, whatever is asked.
#
# What is asked is taken in and thrown away, for who closes a connection before that tears it down.  Run by the shell of
# busybox, whose read has limits: of time, in seconds, and of characters.
lines=0
read -r now _ </proc/uptime
end=$((${now%.*} + 5)) # for all of it: who is slow takes up a process
while [ $lines -lt 64 ] && read -r now _ </proc/uptime && [ "${now%.*}" -lt $end ] &&
    read -r -t $((end - ${now%.*})) -n 1024 line && [ ${#line} -gt 1 ]; do
    lines=$((lines + 1))
done
cat "$1"
