-- A big cloud in the services' own databases: {{HOSTS}} hosts, {{SERVERS}} servers, {{PORTS}} ports, {{VOLUMES}} volumes, {{PROJECTS}} projects.
-- Everything is called scale-..., and every id is made from a word and a number, so that a second lab has the same.
use lab;
create or replace function lab.uid(kind varchar(20), n int) returns char(36) character set utf8mb3 deterministic
  return regexp_replace(md5(concat(kind, n)), '^(.{8})(.{4})(.{4})(.{4})(.{12})$', '\\1-\\2-\\3-\\4-\\5');
create or replace function lab.size(n int) returns int deterministic return 1 << (n % 4);
create or replace function lab.host(n int) returns varchar(20) character set utf8mb3 deterministic
  return concat('scale-', lpad(1 + (n - 1) % {{HOSTS}}, 3, '0'));
create or replace function lab.project(n int) returns char(32) character set utf8mb3 deterministic
  -- Squares are not spread evenly: a third of everything belongs to a few projects, the rest to all alike.
  return md5(concat('project', 1 + if(n % 3 = 0, n * n, n) % {{PROJECTS}}));
create or replace function lab.address(n int) returns varchar(15) character set utf8mb3 deterministic
  return inet_ntoa(inet_aton('100.64.0.0') + (n % {{NETWORKS}}) * 16384 + 10 + n div {{NETWORKS}});

start transaction;
set @now = utc_timestamp();
set @user = (select id from keystone.user limit 1);

insert into keystone.project (id, name, extra, description, enabled, domain_id, parent_id, is_domain)
  select md5(concat('project', seq)), concat('scale-', lpad(seq, 4, '0')), '{}', '', seq % 100 <> 0, 'default', 'default', 0
  from seq_1_to_{{PROJECTS}};

insert into nova_api.flavors (created_at, name, memory_mb, vcpus, swap, vcpu_weight, flavorid, rxtx_factor, root_gb, ephemeral_gb,
    disabled, is_public)
  select @now, concat('scale.', lab.size(seq)), 2048 * lab.size(seq), lab.size(seq), 0, 0, lab.uid('flavor', seq), 1, 20 * lab.size(seq),
    0, 0, 1
  from seq_0_to_3;

set @cell = (select id from nova_api.cell_mappings where name = 'cell1');
insert into nova_api.host_mappings (created_at, cell_id, host) select @now, @cell, lab.host(seq) from seq_1_to_{{HOSTS}};
insert into nova_api.instance_mappings (created_at, instance_uuid, cell_id, project_id, queued_for_delete, user_id)
  select @now, lab.uid('server', seq), @cell, lab.project(seq), 0, @user from seq_1_to_{{SERVERS}};

set @version = (select max(version) from nova.services where `binary` = 'nova-compute' and deleted = 0);
insert into nova.services (created_at, updated_at, host, `binary`, topic, report_count, disabled, deleted, last_seen_up, forced_down,
    version, uuid)
  select @now, @now, lab.host(seq), 'nova-compute', 'compute', 1, 0, 0, @now, 0, @version, lab.uid('service', seq)
  from seq_1_to_{{HOSTS}};
insert into nova.compute_nodes (created_at, updated_at, vcpus, memory_mb, local_gb, vcpus_used, memory_mb_used, local_gb_used,
    hypervisor_type, hypervisor_version, cpu_info, disk_available_least, free_ram_mb, free_disk_gb, current_workload, running_vms,
    hypervisor_hostname, deleted, host_ip, supported_instances, pci_stats, metrics, stats, numa_topology, host, ram_allocation_ratio,
    cpu_allocation_ratio, uuid, disk_allocation_ratio, mapped)
  select @now, @now, 64, 524288, 4000, 0, 0, 0, t.hypervisor_type, t.hypervisor_version, t.cpu_info, 4000, 524288, 4000, 0, 0,
    lab.host(seq), 0, inet_ntoa(inet_aton('10.97.0.0') + seq), t.supported_instances, t.pci_stats, t.metrics, '{}', t.numa_topology,
    lab.host(seq), 1, 4, lab.uid('node', seq), 1, 1
  from (select * from nova.compute_nodes where deleted = 0 order by id limit 1) t join seq_1_to_{{HOSTS}};

-- Of 100 servers 90 run, 8 are off, 2 are in error; each third one boots from its volume.
insert into nova.instances (created_at, updated_at, user_id, project_id, image_ref, kernel_id, ramdisk_id, launch_index, power_state,
    vm_state, memory_mb, vcpus, hostname, host, reservation_id, launched_at, display_name, availability_zone, locked, launched_on,
    instance_type_id, uuid, root_device_name, config_drive, progress, auto_disk_config, shutdown_terminate, disable_terminate, root_gb,
    ephemeral_gb, node, deleted, cleaned, hidden)
  select @now - interval seq hour, if(seq % 100 between 94 and 97, @now - interval 40 day, @now - interval 1 minute), @user,
    lab.project(seq), if(seq % 3 = 0, '', lab.uid('image', seq % 20)), '', '', 0, if(seq % 100 < 90, 1, 4),
    if(seq % 100 < 90, 'active', if(seq % 100 < 98, 'stopped', 'error')), 2048 * lab.size(seq), lab.size(seq),
    concat('scale-', seq), lab.host(seq), concat('r-', lpad(hex(seq), 8, '0')), @now - interval seq hour, concat('scale-', seq), 'nova',
    0, lab.host(seq), (select id from nova_api.flavors where flavorid = lab.uid('flavor', seq % 4)), lab.uid('server', seq), '/dev/vda',
    '', 0, 0, 0, 0, 20 * lab.size(seq), 0, lab.host(seq), 0, 0, 0
  from seq_1_to_{{SERVERS}};
insert into nova.instance_extra (created_at, deleted, instance_uuid, pci_requests, flavor, keypairs)
  select @now, 0, i.uuid, '[]', concat('{"cur": {"nova_object.name": "Flavor", "nova_object.namespace": "nova", "nova_object.version": "1.2", ',
      '"nova_object.data": {"id": ', i.instance_type_id, ', "name": "scale.', i.vcpus, '", "memory_mb": ', i.memory_mb, ', "vcpus": ', i.vcpus,
      ', "root_gb": ', i.root_gb, ', "ephemeral_gb": 0, "flavorid": "', f.flavorid, '", "swap": 0, "rxtx_factor": 1.0, "vcpu_weight": 0, ',
      '"disabled": false, "is_public": true, "extra_specs": {}, "description": null, "created_at": "2026-01-01T00:00:00Z", ',
      '"updated_at": null, "deleted_at": null, "deleted": false}}, "old": null, "new": null}'),
    '{"nova_object.name": "KeyPairList", "nova_object.namespace": "nova", "nova_object.version": "1.3", "nova_object.data": {"objects": []}}'
  from nova.instances i join nova_api.flavors f on f.id = i.instance_type_id where i.display_name like 'scale-%';
insert into nova.instance_info_caches (created_at, updated_at, instance_uuid, deleted, network_info)
  select @now, @now, lab.uid('server', seq), 0, concat('[{"id": "', lab.uid('port', seq), '", "address": "fa:17:',
      regexp_replace(lpad(hex(seq), 8, '0'), '(..)(..)(..)(..)', '\\1:\\2:\\3:\\4'), '", "network": {"id": "', lab.uid('network', seq % {{NETWORKS}}),
      '", "bridge": "br-int", "label": "scale-', seq % {{NETWORKS}}, '", "subnets": [{"cidr": "100.64.0.0/18", "dns": [], "gateway": {"address": null, ',
      '"type": "gateway", "version": null, "meta": {}}, "ips": [{"address": "', lab.address(seq), '", "type": "fixed", "version": 4, "meta": {}, ',
      '"floating_ips": []}], "routes": [], "version": 4, "meta": {}}], "meta": {"injected": false, "tenant_id": "', lab.project(seq), '", "mtu": 1450, ',
      '"physical_network": null, "tunneled": true}}, "type": "ovs", "details": {}, "devname": "tap", "ovs_interfaceid": null, "qbh_params": null, ',
      '"qbg_params": null, "active": true, "vnic_type": "normal", "profile": {}, "preserve_on_delete": false, "delegate_create": true, "meta": {}}]')
  from seq_1_to_{{SERVERS}};
insert into nova.instance_system_metadata (created_at, instance_uuid, `key`, value, deleted)
  select @now, lab.uid('server', seq), k, v, 0
  from seq_1_to_{{SERVERS}} join (select 'image_min_disk' k, '1' v union select 'image_disk_format', 'raw' union
    select 'image_container_format', 'bare' union select 'boot_roles', 'member') m;
insert into nova.block_device_mapping (created_at, updated_at, device_name, delete_on_termination, volume_id, volume_size, no_device,
    instance_uuid, deleted, source_type, destination_type, device_type, disk_bus, boot_index, uuid, encrypted)
  select @now, @now, if(seq % 3 = 0, '/dev/vda', '/dev/vdb'), 0, lab.uid('volume', seq), 10 + seq % 90, 0, lab.uid('server', seq), 0, 'volume',
    'volume', 'disk', 'virtio', if(seq % 3 = 0, 0, null), lab.uid('mapping', seq), 0
  from seq_1_to_{{SERVERS}};

set @rp = (select max(id) from placement.resource_providers);
set @like = (select min(id) from placement.resource_providers);
insert into placement.resource_providers (created_at, id, uuid, name, generation, root_provider_id, parent_provider_id)
  select @now, @rp + seq, lab.uid('node', seq), lab.host(seq), 1, @rp + seq, null from seq_1_to_{{HOSTS}};
insert into placement.inventories (created_at, resource_provider_id, resource_class_id, total, reserved, min_unit, max_unit, step_size,
    allocation_ratio)
  select @now, @rp + seq, c.id, c.total, c.reserved, 1, c.total, 1, c.ratio
  from seq_1_to_{{HOSTS}} join (
    select id, 64 total, 4 reserved, 4.0 ratio from placement.resource_classes where name = 'VCPU' union
    select id, 524288, 8192, 1.0 from placement.resource_classes where name = 'MEMORY_MB' union
    select id, 4000, 0, 1.0 from placement.resource_classes where name = 'DISK_GB') c;
insert into placement.resource_provider_traits (created_at, trait_id, resource_provider_id)
  select @now, t.trait_id, @rp + seq from seq_1_to_{{HOSTS}} join placement.resource_provider_traits t
  where t.resource_provider_id = @like;
insert ignore into placement.users (created_at, external_id) values (@now, @user);
insert into placement.projects (created_at, external_id) select @now, md5(concat('project', seq)) from seq_1_to_{{PROJECTS}};
insert into placement.consumers (created_at, uuid, project_id, user_id, generation)
  select @now, lab.uid('server', seq), p.id, (select id from placement.users where external_id = @user), 1
  from seq_1_to_{{SERVERS}} join placement.projects p on p.external_id = lab.project(seq);
insert into placement.allocations (created_at, resource_provider_id, consumer_id, resource_class_id, used)
  select @now, @rp + 1 + (seq - 1) % {{HOSTS}}, lab.uid('server', seq), c.id, lab.size(seq) * c.each_one
  from seq_1_to_{{SERVERS}} join (select id, 1 each_one from placement.resource_classes where name = 'VCPU' union
    select id, 2048 from placement.resource_classes where name = 'MEMORY_MB') c;
insert into placement.allocations (created_at, resource_provider_id, consumer_id, resource_class_id, used)
  select @now, @rp + 1 + (seq - 1) % {{HOSTS}}, lab.uid('server', seq), (select id from placement.resource_classes where name = 'DISK_GB'),
    20 * lab.size(seq)
  from seq_1_to_{{SERVERS}} where seq % 3 <> 0;

-- No DHCP there: an agent of the lab would make a port in each of them.
set @attr = (select max(id) from neutron.standardattributes);
insert into neutron.standardattributes (id, resource_type, created_at, updated_at, revision_number)
  select @attr + seq, 'ports', @now, @now, 1 from seq_1_to_{{PORTS}};
insert into neutron.standardattributes (id, resource_type, created_at, updated_at, revision_number)
  select @attr + {{PORTS}} + 3 * seq + k.n, k.kind, @now, @now, 1
  from seq_1_to_{{NETWORKS}} join (select 0 n, 'networks' kind union select 1, 'subnets' union select 2, 'networksegments') k;
insert into neutron.networks (project_id, id, name, status, admin_state_up, standard_attr_id, mtu)
  select lab.project(seq), lab.uid('network', seq - 1), concat('scale-', seq - 1), 'ACTIVE', 1, @attr + {{PORTS}} + 3 * seq, 1450
  from seq_1_to_{{NETWORKS}};
insert into neutron.networksecuritybindings (network_id, port_security_enabled)
  select lab.uid('network', seq - 1), 1 from seq_1_to_{{NETWORKS}};
insert into neutron.networksegments (id, network_id, network_type, segmentation_id, is_dynamic, segment_index, standard_attr_id)
  select lab.uid('segment', seq - 1), lab.uid('network', seq - 1), 'vxlan', 500000 + seq, 0, 0, @attr + {{PORTS}} + 3 * seq + 2
  from seq_1_to_{{NETWORKS}};
insert into neutron.subnets (project_id, id, name, network_id, ip_version, cidr, enable_dhcp, standard_attr_id, in_use)
  select lab.project(seq), lab.uid('subnet', seq - 1), concat('scale-', seq - 1), lab.uid('network', seq - 1), 4,
    concat(inet_ntoa(inet_aton('100.64.0.0') + (seq - 1) * 16384), '/18'), 0, @attr + {{PORTS}} + 3 * seq + 1, 1
  from seq_1_to_{{NETWORKS}};
insert into neutron.ipallocationpools (id, subnet_id, first_ip, last_ip)
  select lab.uid('pool', seq - 1), lab.uid('subnet', seq - 1), inet_ntoa(inet_aton('100.64.0.0') + (seq - 1) * 16384 + 1),
    inet_ntoa(inet_aton('100.64.0.0') + seq * 16384 - 2)
  from seq_1_to_{{NETWORKS}};
-- The first network card of each server, then the second.
insert into neutron.ports (project_id, id, name, network_id, mac_address, admin_state_up, status, device_id, device_owner, standard_attr_id,
    ip_allocation)
  select lab.project(1 + (seq - 1) % {{SERVERS}}), lab.uid('port', seq), '', lab.uid('network', seq % {{NETWORKS}}),
    concat('fa:17:', regexp_replace(lower(lpad(hex(seq), 8, '0')), '(..)(..)(..)(..)', '\\1:\\2:\\3:\\4')), 1, 'ACTIVE',
    lab.uid('server', 1 + (seq - 1) % {{SERVERS}}), 'compute:nova', @attr + seq, 'immediate'
  from seq_1_to_{{PORTS}};
insert into neutron.ml2_port_bindings (port_id, host, vif_type, vnic_type, profile, vif_details, status)
  select lab.uid('port', seq), lab.host(1 + (seq - 1) % {{SERVERS}}), 'ovs', 'normal', '', '{"port_filter": true}', 'ACTIVE'
  from seq_1_to_{{PORTS}};
insert into neutron.portsecuritybindings (port_id, port_security_enabled) select lab.uid('port', seq), 1 from seq_1_to_{{PORTS}};
insert into neutron.ipallocations (port_id, ip_address, subnet_id, network_id)
  select lab.uid('port', seq), lab.address(seq), lab.uid('subnet', seq % {{NETWORKS}}), lab.uid('network', seq % {{NETWORKS}})
  from seq_1_to_{{PORTS}};

-- Not on the lab's own volume service, which would look for their images.
set @type = (select id from cinder.volume_types where name = 'rbd' and deleted = 0);
insert into cinder.volumes (created_at, updated_at, deleted, id, user_id, project_id, host, size, availability_zone, status, attach_status,
    scheduled_at, launched_at, display_name, volume_type_id, bootable, multiattach, shared_targets, use_quota)
  select @now - interval seq hour, @now - interval seq hour, 0, lab.uid('volume', seq), @user, lab.project(seq), 'scale@rbd#rbd', 10 + seq % 90, 'nova',
    if(seq <= {{SERVERS}}, 'in-use', if(seq % 50 = 0, 'error', 'available')), if(seq <= {{SERVERS}}, 'attached', 'detached'), @now, @now,
    concat('scale-', seq), @type, seq <= {{SERVERS}} and seq % 3 = 0, 0, 0, 1
  from seq_1_to_{{VOLUMES}};
insert into cinder.volume_attachment (created_at, updated_at, deleted, id, volume_id, attached_host, instance_uuid, mountpoint, attach_time,
    attach_mode, attach_status)
  select @now, @now, 0, lab.uid('attachment', seq), lab.uid('volume', seq), lab.host(seq), lab.uid('server', seq),
    if(seq % 3 = 0, '/dev/vda', '/dev/vdb'), @now, 'rw', 'attached'
  from seq_1_to_{{SERVERS}};
commit;

-- Their nova-compute reports, or they would all count as down.
create or replace event lab.scale_beat on schedule every 15 second do
  update nova.services set last_seen_up = utc_timestamp(), updated_at = utc_timestamp() where host like 'scale-%';
