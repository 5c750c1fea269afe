"""The failures that a replacement has to survive: what is done to the played site, and what has to come of it."""

from __future__ import annotations

FAULTS: dict[str, tuple[str, str, str, str]] = {
    "a1": (
        "the wrong disk is pulled",
        "拔错磁盘",
        "told which one to put back, and waited for; then it goes on",
        "指出要放回哪一块并等待；放回后继续",
    ),
    "a2": (
        "letters shift (reboot, hot swap)",
        "盘符变化（重启、热插拔）",
        "serials count: goes on; where Ceph told only a letter (Jewel) and it disagrees: refused",
        "以序列号为准，继续；Ceph 只报告盘符（Jewel）且互相矛盾时：拒绝",
    ),
    "a3": (
        "the new disk holds something",
        "新盘上有数据",
        "waits; only `wipe SERIAL` of this very disk allows it",
        "等待；只有针对这块盘的 `wipe 序列号` 才放行",
    ),
    "a4": (
        "the new disk is smaller, an SSD, or 4Kn",
        "新盘更小、是 SSD 或为 4Kn",
        "told, and waited for a fit one",
        "指出并等待合格的盘",
    ),
    "a5": ("the failed disk is put in again", "又插回坏盘", "told that it is still in", "指出坏盘仍在"),
    "a6": (
        "a second OSD dies",
        "又一个 OSD 失效",
        "before: refused; midway: no step that destroys, all is taken back, flags off",
        "之前：拒绝；中途：不做破坏性步骤，全部撤回，取消标志",
    ),
    "a7": (
        "the OSD is started again by somebody",
        "OSD 被人重新启动",
        "its removal is refused by Ceph; all is taken back",
        "Ceph 拒绝删除；全部撤回",
    ),
    "a8": (
        "an OSD flaps",
        "OSD 反复上下线",
        "one clean look is not believed: it waits for calm",
        "一次干净的结果不算数：等到稳定",
    ),
    "a9": (
        "monitors are lost",
        "失去 monitor",
        "too few: refused; silent midway: waits, and goes on when they are back",
        "不足：拒绝；中途无应答：等待，恢复后继续",
    ),
    "a10": (
        "the manager does not answer",
        "mgr 无应答",
        "no plan, nothing touched; midway: waits",
        "不制定计划，不做改动；中途：等待",
    ),
    "a11": ("PGs are unknown, stale or down", "PG unknown、stale 或 down", "refused, PGs named", "拒绝，并列出 PG"),
    "a12": ("the others would become too full", "其余 OSD 会过满", "refused with the forecast", "拒绝，并给出预测"),
    "a13": ("a pool of one copy", "单副本存储池", "refused, pool named", "拒绝，并列出存储池"),
    "a14": (
        "flags of others",
        "他人设置的标志",
        "noout survives; norecover and the like: refused",
        "noout 保持不变；norecover 等：拒绝",
    ),
    "a15": (
        "kill -9 at every command",
        "在每条命令处 kill -9",
        "the same end; before the point of no return also the way back",
        "结果相同；不可回退点之前也可回退",
    ),
    "a16": ("two operators at once", "两人同时操作", "the second one is told who is at it", "第二人被告知谁在操作"),
    "a17": (
        "the disk hangs, umount never returns",
        "磁盘挂起，umount 不返回",
        "ended by its time-out, detached lazily, goes on",
        "超时结束，惰性卸载，继续",
    ),
    "a18": (
        "the host reboots at the gate",
        "在关口处主机重启",
        "no line of the dead disk is left in fstab; goes on",
        "fstab 中没有坏盘的行；继续",
    ),
    "a19": ("the journal partition can't be told", "无法确定 journal 分区", "refused", "拒绝"),
    "a20": (
        "the SSD of journals or DBs dies",
        "存放 journal 或 DB 的 SSD 失效",
        "one job over all its OSDs, with the same slots; one OSD alone is refused",
        "一个任务处理其上所有 OSD，槽位不变；单独处理一个被拒绝",
    ),
    "a21": (
        "a forgotten BOOTSTRAP label elsewhere",
        "别处遗留 BOOTSTRAP 标签",
        "refused; one that comes midway is waited for",
        "拒绝；中途出现则等待",
    ),
    "a22": (
        "a bootstrap container of an earlier attempt",
        "先前尝试遗留的 bootstrap 容器",
        "refused, container named",
        "拒绝，并指出容器",
    ),
    "a23": (
        "a lower id becomes free",
        "出现更小的空闲编号",
        "refused where ids can't be kept; midway: waits until it is taken",
        "无法保留编号时拒绝；中途：等到被占用",
    ),
    "a24": (
        "the new OSD has another weight and bucket",
        "新 OSD 的权重和 bucket 不同",
        "both are restored",
        "两者均恢复",
    ),
    "a25": (
        "the connection breaks in the middle of sgdisk",
        "sgdisk 执行中连接中断",
        "found done, or done again; goes on",
        "识别为已完成，或重做；继续",
    ),
    "a26": (
        "made, but it does not start",
        "已创建但无法启动",
        "tried again; else stuck, the command named, flags off",
        "重试；否则 stuck，列出命令，取消标志",
    ),
    "a27": (
        "a pulled disk's volume holds its letter",
        "已拔磁盘的卷占用盘符",
        "released, nothing left",
        "释放，没有遗留",
    ),
    "a28": (
        "the disk is only slow, or fails only in part",
        "磁盘只是慢，或部分出错",
        "in `osd list`; refused without --drain, then emptied first",
        "列于 `osd list`；没有 --drain 则拒绝，有则先清空",
    ),
    "a29": ("an unrelated health warning", "无关的健康告警", "no obstacle", "不妨碍"),
    "a30": (
        "answers differ from release to release",
        "各版本输出不同",
        "Jewel, Luminous, Pacific, Reef are read; a form nobody knows: no plan",
        "可读 Jewel、Luminous、Pacific、Reef；未知格式：不制定计划",
    ),
    "a31": (
        "a flag can't be taken off at the end",
        "最后无法取消标志",
        "the OSD serves; stuck, the command named",
        "OSD 正常服务；stuck，列出命令",
    ),
    "a32": (
        "nobody comes to swap the disk",
        "没有人来换盘",
        "waits and reminds; *no* takes all back",
        "等待并提醒；回答 *no* 则全部撤回",
    ),
}
"""For each: what happens (English, Chinese), and what is asserted (English, Chinese)."""
