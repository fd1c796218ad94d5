# Looks the machine over and writes $RUN/report.json: the recon report, schema 1.
# Reads below $SYSROOT, so that it can be tried on recorded machines. What the machine does not know is left out.

: "${SYSROOT:=}"
: "${AGENT:=/agent}"
. "$AGENT/recon-system.sh"
. "$AGENT/recon-disks.sh"
. "$AGENT/recon-nics.sh"
. "$AGENT/recon-bmc.sh"

# first_line FILE: without NULs, which no shell keeps in a variable.
first_line() {
  line=
  { IFS= read -r line <"$1"; } 2>/dev/null
  printf '%s\n' "$line"
}

# pci_of SYSFS-PATH: the address of the PCI function that a device hangs on.
pci_of() {
  readlink -f "$1" | grep -oE '[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]' | tail -n 1
}

write_report() {
  {
    num schema 1
    raw agent "$(agent_section)"
    str bootMac "$(boot_mac)"
    printf '"dmi":%s\n' "$(dmi_section)"
    progress_quiet cpus
    printf '"cpus":%s\n' "$(cpu_section)"
    printf '"memory":%s\n' "$(memory_section)"
    progress_quiet disks
    printf '"disks":%s\n' "$(disk_section)"
    progress_quiet nics
    printf '"nics":%s\n' "$(nic_section)"
    raw bmc "$(bmc_section)"
    progress_quiet pci
    printf '"pci":%s\n' "$(pci_section)"
  } | object >"$RUN/report.json"
}

# Standard output is the report here: only the console hears this.
progress_quiet() { say "Looking at: $1"; }

if [ "${RECON_ONLY_FUNCTIONS:-0}" = 0 ]; then
  progress recon "looking the machine over" info 0
  write_report
  progress recon "report of $(wc -c <"$RUN/report.json" | tr -d ' ') bytes ready" info 100
fi
