# Completion of xm(1) for bash. xm/tests/completion.rs holds it against xm's table of commands.

# Every command; old names of them are understood, but not offered.
_xm_commands="
console create delete destroy domid domname domstate dump-core list mem-max mem-set migrate new pause reboot
rename reset restore resume save shutdown start suspend sysrq top trigger unpause uptime usb-add usb-del
vcpu-list vcpu-pin vcpu-set vncviewer
debug-keys dmesg info log serve
sched-credit sched-credit2 sched-sedf
block-attach block-configure block-detach block-list network-attach network-detach network-list
network2-attach network2-detach network2-list pci-attach pci-detach pci-list pci-list-assignable-devices
scsi-attach scsi-detach scsi-list usb-attach usb-detach usb-hc-create usb-hc-destroy usb-list
usb-list-assignable-devices
vnet-create vnet-delete vnet-list
setpolicy addlabel dry-run dumppolicy getlabel getpolicy labels resetpolicy resources rmlabel
getenforce setenforce
tmem-destroy tmem-freeze tmem-list tmem-set tmem-shared-auth tmem-thaw
cpupool-cpu-add cpupool-cpu-remove cpupool-create cpupool-delete cpupool-destroy cpupool-list cpupool-migrate
cpupool-new cpupool-start
shell event-monitor network-new network-del network-show tmem-flush tmem-freeable
help
"

# The options of a command.
_xm_options() {
    case $1 in
        create)
            echo "-c -f -F -n -p -q -x --config= --console_autoconnect --defconfig= --dryrun --help_config --json --lint" \
                "--path= --paused --quiet --xmldryrun"
            ;;
        new) echo "-f -F -n -q --config= --defconfig= --dryrun --help_config --json --lint --path= --quiet" ;;
        list) echo "-l -v --long --vcpus --label --state= --pool=" ;;
        console) echo "-q -n --quiet --num=" ;;
        uptime) echo "-s --short" ;;
        dmesg) echo "-c --clear" ;;
        info) echo "-c -n --config --numa" ;;
        shutdown) echo "-a -w -R -H --all --wait --reboot --halt" ;;
        reboot) echo "-a -w --all --wait" ;;
        save) echo "-c --checkpoint" ;;
        restore | resume) echo "-p --paused" ;;
        start) echo "-p -c --paused --console_autoconnect --vncviewer --vncviewer-autopass" ;;
        dump-core) echo "-L -C -R --live --crash --reset" ;;
        vncviewer) echo "--autopass" ;;
        sched-sedf) echo "-p -s -l -e -w --period --slice --latency --extra --weight" ;;
        sched-credit) echo "-d -w -c --domain= --weight= --cap=" ;;
        sched-credit2) echo "-d -w --domain= --weight=" ;;
        migrate) echo "-l -p -n -s -c --live --port= --node= --ssl --change_home_server" ;;
        vnet-list) echo "-l --long" ;;
        tmem-list) echo "-l -a --long --all" ;;
        cpupool-list) echo "-l -c --long --cpus" ;;
        block-detach | network-detach) echo "-f --force" ;;
        block-list | network-list | network2-list | scsi-list) echo "-l --long" ;;
    esac
}

# The names of the domains that there are, one a line. Nothing when the daemon does not answer.
_xm_domains() {
    xm list 2>/dev/null | while IFS=" " read -r name _; do
        [ "$name" = Name ] || printf '%s\n' "$name"
    done
}

# The numbers of a domain's devices, one a line: _xm_devices block DOMAIN.
_xm_devices() {
    xm "$1-list" "$2" 2>/dev/null | while IFS=" " read -r devid _; do
        case $devid in
            *[!0-9]*) ;;
            *) printf '%s\n' "$devid" ;;
        esac
    done
}

# The bridges of this host, one a line.
_xm_bridges() {
    local bridge
    for bridge in /sys/class/net/*/bridge; do
        bridge=${bridge%/bridge}
        [ "$bridge" = "/sys/class/net/*" ] || printf '%s\n' "${bridge##*/}"
    done
}

# What can follow a KEY= of network-attach.
_xm_interface_values() {
    local folder
    case $1 in
        type) printf '%s\n' ioemu netfront ;;
        bridge) _xm_bridges ;;
        backend) _xm_domains ;;
        script)
            for folder in /etc/xend/scripts /usr/lib/xend/scripts /etc/xen/scripts; do
                (cd "$folder" 2>/dev/null && compgen -f -X '!vif-*')
            done | sort -u
            ;;
        model) printf '%s\n' rtl8139 e1000 ;;
    esac
}

# Domain files, in the current folder and in /etc/xen.
_xm_domain_files() {
    compgen -f -- "$1"
    case $1 in
        */*) ;;
        *) (cd /etc/xen 2>/dev/null && compgen -f -X '!*.cfg' -- "$1") ;;
    esac
}

_xm() {
    local IFS=$' \t\n' cur=${COMP_WORDS[COMP_CWORD]} command="" domain="" key="" states word at place=0
    states="halted paused running suspended crashed unknown all"
    COMPREPLY=()
    # The command, the domain behind it, and the place of this word among those behind the command that are no options.
    # bash makes three words of file:/x and of bridge=x.
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if [ -z "$command" ]; then
            command=$word
            continue
        fi
        case $word in
            : | =) place=$((place - 1)) ;;
            -*) ;;
            *)
                [ "$place" -gt 0 ] || domain=$word
                place=$((place + 1))
                ;;
        esac
    done
    if [ -z "$command" ]; then
        COMPREPLY=($(compgen -W "$_xm_commands" -- "$cur"))
        return
    fi
    # bash makes three words of --state=x.
    if [ "${COMP_WORDS[COMP_CWORD - 1]}" = --state ] && [ "$cur" = "=" ]; then
        COMPREPLY=($(compgen -W "$states" -- ""))
        return
    fi
    if [ "$COMP_CWORD" -gt 2 ] && [ "${COMP_WORDS[COMP_CWORD - 2]}" = --state ]; then
        COMPREPLY=($(compgen -W "$states" -- "$cur"))
        return
    fi
    # What stands before the : or = that this word is behind.
    case $cur in
        : | =)
            key=${COMP_WORDS[COMP_CWORD - 1]} cur="" place=$((place - 1))
            ;;
        *)
            case ${COMP_WORDS[COMP_CWORD - 1]} in
                : | =) [ "$COMP_CWORD" -lt 2 ] || key=${COMP_WORDS[COMP_CWORD - 2]} ;;
            esac
            ;;
    esac
    case $cur in
        -*)
            COMPREPLY=($(compgen -W "$(_xm_options "$command")" -- "$cur"))
            case ${COMPREPLY[0]-} in
                *=) compopt -o nospace 2>/dev/null ;;
            esac
            return
            ;;
    esac
    IFS=$'\n'
    case $command in
        create | new | dry-run | cpupool-create | cpupool-new | vnet-create)
            compopt -o filenames 2>/dev/null
            COMPREPLY=($(_xm_domain_files "$cur"))
            ;;
        restore)
            compopt -o filenames 2>/dev/null
            COMPREPLY=($(compgen -f -- "$cur"))
            ;;
        save | dump-core)
            if [ "$place" -eq 0 ]; then
                COMPREPLY=($(compgen -W "$(_xm_domains)" -- "$cur"))
            else
                compopt -o filenames 2>/dev/null
                COMPREPLY=($(compgen -f -- "$cur"))
            fi
            ;;
        trigger)
            if [ "$place" -eq 0 ]; then
                COMPREPLY=($(compgen -W "$(_xm_domains)" -- "$cur"))
            elif [ "$place" -eq 1 ]; then
                COMPREPLY=($(compgen -W $'nmi\nreset\ninit\ns3resume\npower' -- "$cur"))
            fi
            ;;
        block-attach | block-configure)
            case $place,$key in
                0,* | 4,*) COMPREPLY=($(compgen -W "$(_xm_domains)" -- "$cur")) ;;
                1,)
                    compopt -o nospace 2>/dev/null
                    COMPREPLY=($(compgen -W $'phy:\nfile:\ntap:\ntap2:' -- "$cur"))
                    ;;
                1,*)
                    compopt -o filenames 2>/dev/null
                    COMPREPLY=($(compgen -f -- "$cur"))
                    ;;
                2,)
                    compopt -o nospace 2>/dev/null
                    COMPREPLY=($(compgen -W $'xvd\nsd\nhd' -- "$cur"))
                    ;;
                2,*) COMPREPLY=($(compgen -W $'disk\ncdrom' -- "$cur")) ;;
                3,*) COMPREPLY=($(compgen -W $'r\nw\nw!' -- "$cur")) ;;
            esac
            ;;
        block-detach | network-detach)
            if [ "$place" -eq 0 ]; then
                COMPREPLY=($(compgen -W "$(_xm_domains)" -- "$cur"))
            elif [ "$place" -eq 1 ] && [ -z "$key" ]; then
                COMPREPLY=($(compgen -W "$(_xm_devices "${command%-detach}" "$domain")" -- "$cur"))
            fi
            ;;
        network-attach)
            if [ "$place" -eq 0 ]; then
                COMPREPLY=($(compgen -W "$(_xm_domains)" -- "$cur"))
            elif [ -n "$key" ]; then
                COMPREPLY=($(compgen -W "$(_xm_interface_values "$key")" -- "$cur"))
            else
                compopt -o nospace 2>/dev/null
                word=$'type=\nmac=\nbridge=\nip=\nscript=\nbackend=\nvifname=\nrate=\nmodel=\naccel='
                COMPREPLY=($(compgen -W "$word" -- "$cur"))
            fi
            ;;
        list | uptime | vcpu-list)
            COMPREPLY=($(compgen -W "$(_xm_domains)" -- "$cur"))
            ;;
        domname | dmesg | info | log | serve | shell | top | debug-keys | cpupool-* | vnet-* | labels | help | \
            getenforce | setenforce | *policy | resources | *-assignable-devices | tmem-freeable) ;;
        *)
            if [ "$place" -eq 0 ]; then
                COMPREPLY=($(compgen -W "$(_xm_domains)" -- "$cur"))
            fi
            ;;
    esac
}

complete -F _xm xm
